"""A container's handle: more processes in it."""

from __future__ import annotations

import os

from cowl.container.handle.facts import ContainerFacts
from cowl.container.result import CompletedRun
from cowl.container.talk import DEVNULL, PIPE, STDOUT, begin, collect, make_talk
from cowl.container.told_exec import ToldExec
from cowl.container.words import as_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Literal, overload

    from cowl.container.pipe_files import PipeFiles
    from cowl.container.top import ProcessList
    from cowl.runtime.protocol import Running


class ContainerInside(ContainerFacts):
    """See Container."""

    if TYPE_CHECKING:

        @overload
        def exec(
            self,
            args: Sequence[str],
            *,
            text: Literal[False] = False,
            encoding: None = None,
            errors: None = None,
            input: bytes | None = None,
            stdout: int = PIPE,
            stderr: int = PIPE,
            timeout: float | None = None,
            check: bool = False,
            user: str = "",
            env: Mapping[str, str] | Sequence[str] = (),
            workdir: str = "",
        ) -> CompletedRun[bytes]: ...

        @overload
        def exec(
            self,
            args: Sequence[str],
            *,
            text: Literal[True],
            encoding: str | None = None,
            errors: str | None = None,
            input: str | None = None,
            stdout: int = PIPE,
            stderr: int = PIPE,
            timeout: float | None = None,
            check: bool = False,
            user: str = "",
            env: Mapping[str, str] | Sequence[str] = (),
            workdir: str = "",
        ) -> CompletedRun[str]: ...

        @overload
        def exec(
            self,
            args: Sequence[str],
            *,
            text: bool = False,
            encoding: str,
            errors: str | None = None,
            input: str | None = None,
            stdout: int = PIPE,
            stderr: int = PIPE,
            timeout: float | None = None,
            check: bool = False,
            user: str = "",
            env: Mapping[str, str] | Sequence[str] = (),
            workdir: str = "",
        ) -> CompletedRun[str]: ...

    def exec(
        self,
        args: Sequence[str],
        *,
        text: bool = False,
        encoding: str | None = None,
        errors: str | None = None,
        input: bytes | str | None = None,  # noqa: A002  # the name that subprocess.run has
        stdout: int = PIPE,
        stderr: int = PIPE,
        timeout: float | None = None,
        check: bool = False,
        user: str = "",
        env: Mapping[str, str] | Sequence[str] = (),
        workdir: str = "",
    ) -> CompletedRun[Any]:
        """Runs a command inside, like `subprocess.run(capture_output=True)`.

        text, encoding, errors, stdout, stderr   as for `Engine.run`
        Raises RunTimeout after `timeout` seconds, when the command is killed with all that descends
        from it (a daemon that has let go of it lives on); RunFailed with `check=True` and a non-zero
        exit; CommandNotFound and CommandNotExecutable; ContainerNotRunning. As with `subprocess.run`
        the output ends when the last process that holds it does: redirect that of what is to stay.
        """
        talk = make_talk(text, encoding, errors, stdout, stderr)
        command, data = as_words("the command", args), talk.encode(input)
        pipes, running = begin(
            talk, lambda stdio: self.exec_with(command, stdio, user=user, env=env, workdir=workdir)
        )
        try:
            collected = collect(command, pipes, data, timeout, talk)
            done = talk.completed(command, running.wait().code, collected, self.id)
        finally:
            running.close()
        if check:
            done.check_returncode()
        return done

    def exec_lines(
        self,
        args: Sequence[str],
        *,
        check: bool = True,
        user: str = "",
        env: Mapping[str, str] | Sequence[str] = (),
        workdir: str = "",
    ) -> Iterator[str]:
        """Runs a command inside and gives the lines of its output, both streams in one, as they come.

        As text in UTF-8, without their ends. Who stops before the last one has the command killed.
        Raises RunFailed after the last line of a command that failed, with `check`, and as `exec`.
        """
        from cowl.container.pipe_files import PipeFiles

        command = as_words("the command", args)
        files = PipeFiles((DEVNULL, PIPE, STDOUT))
        try:
            running = self.exec_with(command, files.stdio, user=user, env=env, workdir=workdir)
        except BaseException:
            files.close()
            raise
        finally:
            files.close_theirs()
        return _lines(files, running, CompletedRun(command, 0, b"", b"", self.id), check=check)

    def exec_with(
        self,
        args: Sequence[str],
        stdio: tuple[int, int, int],
        *,
        tty: bool = False,
        user: str = "",
        env: Mapping[str, str] | Sequence[str] = (),
        workdir: str = "",
        privileged: bool = False,
        size: tuple[int, ...] = (),
    ) -> Running:
        """Starts a command inside on the caller's own fds; the caller waits for the returned process.

        privileged  it has all capabilities, and the container's filter of system calls
        size        rows and columns of the window that its terminal has
        """
        from cowl.container.executing import start_exec

        command = as_words("the command", args)
        running = start_exec(
            self._service,
            self._record,
            command,
            stdio,
            user,
            env,
            workdir,
            tty=tty,
            privileged=privileged,
            size=size,
        )
        return ToldExec(self._service.store.events, self._record, command, running)

    def exec_detached(
        self,
        args: Sequence[str],
        *,
        tty: bool = False,
        user: str = "",
        env: Mapping[str, str] | Sequence[str] = (),
        workdir: str = "",
        privileged: bool = False,
    ) -> None:
        """Starts a command inside that lives as long as it likes, or as the container: `docker exec -d`.

        It reads nothing, and what it prints is lost. Returns once it was executed. Raises as `exec_with`.
        """
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            running = self.exec_with(
                args,
                (nothing, nothing, nothing),
                tty=tty,
                user=user,
                env=env,
                workdir=workdir,
                privileged=privileged,
            )
        finally:
            os.close(nothing)
        running.let_go()
        running.close()

    def top(self, ps_args: Sequence[str] = ()) -> ProcessList:
        """Its processes with all that they started, as seen from the host: columns and a row for each.

        ps_args  options of ps(1), which the host then must have; without any the columns are those of
                 `ps -ef`, read from /proc, with the users as the container's own account file calls them
        Nothing is executed in the container, and nothing of it on the host. Raises ContainerNotRunning;
        PsFailed and PsMissing with `ps_args`.
        """
        from cowl.container.top import list_processes

        found = list_processes(self._service, self.refresh()._record, as_words("ps_args", ps_args))
        self._service.store.events.note_container(self._record, "top")
        return found


def _lines(files: PipeFiles, running: Running, done: CompletedRun[bytes], *, check: bool) -> Iterator[str]:
    """`done` is filled in at the end."""
    try:
        for line in files.stdout or ():
            yield line.decode("utf-8", "replace").rstrip("\r\n")
        code = running.wait().code
    finally:
        running.close()
        files.close()
    if check:
        done.replace(returncode=code).check_returncode()
