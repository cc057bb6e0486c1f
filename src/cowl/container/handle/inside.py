"""A container's handle: more processes in it."""

from __future__ import annotations

from cowl.container.handle.facts import ContainerFacts
from cowl.container.result import CompletedRun, RunFailed
from cowl.container.streams import Pipes, converse
from cowl.container.told_exec import ToldExec
from cowl.container.words import as_input, as_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cowl.container.top import ProcessList
    from cowl.runtime.protocol import Running


class ContainerInside(ContainerFacts):
    """See Container."""

    def exec(
        self,
        args: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002  # the name that subprocess.run has
        timeout: float | None = None,
        check: bool = False,
        user: str = "",
        env: Mapping[str, str] | Sequence[str] = (),
        workdir: str = "",
    ) -> CompletedRun:
        """Runs a command inside, like `subprocess.run(capture_output=True)`.

        Raises RunTimeout after `timeout` seconds, when the command is killed with all that descends
        from it (a daemon that has let go of it lives on); RunFailed with `check=True` and a non-zero
        exit; CommandNotFound and CommandNotExecutable; ContainerNotRunning. As with `subprocess.run`
        the output ends when the last process that holds it does: redirect that of what is to stay.
        """
        command, data = as_words("the command", args), as_input(input)
        pipes = Pipes.make()
        try:
            running = self.exec_with(command, pipes.child(), user=user, env=env, workdir=workdir)
        except BaseException:
            pipes.close_all()
            raise
        try:
            stdout, stderr = converse(command, pipes, data, timeout)
            done = CompletedRun(command, running.wait().code, stdout, stderr, self.id)
        finally:
            running.close()
        if check and done.returncode != 0:
            raise RunFailed(done)
        return done

    def exec_with(
        self,
        args: Sequence[str],
        stdio: tuple[int, int, int],
        *,
        tty: bool = False,
        user: str = "",
        env: Mapping[str, str] | Sequence[str] = (),
        workdir: str = "",
    ) -> Running:
        """Starts a command inside on the caller's own fds; the caller waits for the returned process."""
        command = as_words("the command", args)
        running = self._service.exec(self._record, command, stdio, user, env, workdir, tty=tty)
        return ToldExec(self._service.store.events, self._record, command, running)

    def top(self, ps_args: Sequence[str] = ()) -> ProcessList:
        """Its processes with all that they started, as seen from the host: columns and a row for each.

        ps_args  options of ps(1), which the host then must have; without any the columns are those of
                 `ps -ef`, read from /proc, with the users as the container's own account file calls them
        Nothing is executed in the container, and nothing of it on the host. Raises ContainerNotRunning;
        PsFailed and PsMissing with `ps_args`.
        """
        from cowl.container.top import list_processes

        return list_processes(self._service, self.refresh()._record, as_words("ps_args", ps_args))
