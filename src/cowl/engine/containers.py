"""The engine's calls about containers."""

from __future__ import annotations

from cowl.engine.wiring import Wiring

PIPE = -1  # of cowl.container.talk, which a caller who lists containers need not load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, BinaryIO, Literal, Unpack, overload

    from cowl.container.handle.container import Container
    from cowl.container.keywords import RunKeywords
    from cowl.container.options import RunOptions
    from cowl.container.result import CompletedRun


class ContainerCalls(Wiring):
    """See Engine."""

    if TYPE_CHECKING:

        @overload
        def run(
            self,
            image: str,
            command: Sequence[str] = (),
            *,
            text: Literal[False] = False,
            encoding: None = None,
            errors: None = None,
            input: bytes | None = None,
            stdout: int = PIPE,
            stderr: int = PIPE,
            timeout: float | None = None,
            check: bool = False,
            remove: bool = True,
            **options: Unpack[RunKeywords],
        ) -> CompletedRun[bytes]: ...

        @overload
        def run(
            self,
            image: str,
            command: Sequence[str] = (),
            *,
            text: Literal[True],
            encoding: str | None = None,
            errors: str | None = None,
            input: str | None = None,
            stdout: int = PIPE,
            stderr: int = PIPE,
            timeout: float | None = None,
            check: bool = False,
            remove: bool = True,
            **options: Unpack[RunKeywords],
        ) -> CompletedRun[str]: ...

        @overload
        def run(
            self,
            image: str,
            command: Sequence[str] = (),
            *,
            text: bool = False,
            encoding: str,
            errors: str | None = None,
            input: str | None = None,
            stdout: int = PIPE,
            stderr: int = PIPE,
            timeout: float | None = None,
            check: bool = False,
            remove: bool = True,
            **options: Unpack[RunKeywords],
        ) -> CompletedRun[str]: ...

    def run(
        self,
        image: str,
        command: Sequence[str] = (),
        *,
        text: bool = False,
        encoding: str | None = None,
        errors: str | None = None,
        input: bytes | str | None = None,  # noqa: A002  # the name that subprocess.run has
        stdout: int = PIPE,
        stderr: int = PIPE,
        timeout: float | None = None,
        check: bool = False,
        remove: bool = True,
        **options: Unpack[RunKeywords],
    ) -> CompletedRun[Any]:
        """Runs a command in a fresh container and waits, like `subprocess.run(capture_output=True)`.

        The container is removed afterwards unless `remove=False`. `options` are those of `start`, but
        for `tty`.

        text            `input` and output are str, in UTF-8 unless there is an `encoding`, with ends of line
                        as "\\n"; errors: as for bytes.decode. Either of these means text too
        stdout, stderr  PIPE collects them; DEVNULL or a descriptor sends them elsewhere, and b"" or "" is
                        what is given back. stderr=STDOUT: into stdout, in the order in which it came
        Raises RunTimeout after `timeout` seconds, when the container is killed; RunFailed with
        `check=True` and a non-zero exit; CommandNotFound, CommandNotExecutable, NotFound, Invalid.
        """
        from cowl.container.run import run
        from cowl.container.talk import make_talk

        return run(
            self._containers,
            self._resolve(image, None),
            image,
            command,
            self._heeded(_options(remove=remove, **options)),
            talk=make_talk(text, encoding, errors, stdout, stderr),
            data=input,
            timeout=timeout,
            check=check,
        )

    def start(
        self,
        image: str,
        command: Sequence[str] = (),
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        remove: bool | None = None,
        detach: bool = False,
        timeout: float = 0,
        **options: Unpack[RunKeywords],
    ) -> Container:
        """Starts a container and returns at once; killed (and removed) when the `with` block ends.

        With `detach` it is looked after by a process of its own: it outlives this one and any `with`
        block, its output is in its logs, and `restart` is heeded. It has no streams of ours.

        stdin, stdout, stderr  file descriptors; None or DEVNULL is /dev/null. PIPE makes a pipe: our end is
                               Container.stdin, stdout or stderr. stderr=STDOUT: where stdout goes.
                               With `tty` see Container.console
        name, hostname, user, workdir, network ("none" or "host"), entrypoint, read_only, tty
        env, labels            mappings, or "KEY=value" words
        binds                  "source:target[:ro]" words; a source is an absolute path or the name of a
                               volume, which is made if it is missing. "target" alone is an anonymous one
        mounts                 mappings of the fields of `docker run --mount` each: type ("bind", "volume",
                               "tmpfs"), source, target, readonly (true or false), bind-propagation,
                               bind-nonrecursive, volume-nocopy, volume-subpath, tmpfs-size, tmpfs-mode
        tmpfs                  "target[:size=64m,mode=1777,...]" words: empty file systems in memory
        devices                "/dev/x[:/dev/y[:rw]]" words: device nodes of the host, or directories of them
        volumes_from           "container[:ro]" words: whose volumes and binds it has too
        storage_opt            {"size": "10g"}: how much it may write to its own layer. A watchdog looks every
                               second and kills it beyond that, as a Warned event says
        remove                 remove it when it ends; by default that of a detached one is left to you
        timeout                seconds that it may run before it is killed, each time; 0: as long as it likes
        restart, stop_signal, stop_timeout, log_driver, log_options   see RunOptions
        cap_add, cap_drop      capabilities, "ALL" among them; group_add: names or numbers of groups
        security_opt           "no-new-privileges=false" (it is true otherwise), "seccomp=FILE" (Docker's
                               form, or its text), "seccomp=unconfined", "systempaths=unconfined"
        runtime                "crun" or "runc" in the place of our own, "embedded"; see Config.runtime
        sysctls                a mapping, or "NAME=VALUE" words, of the container's own namespaces
        memory, memory_swap, memory_reservation, shm_size   bytes, or "64m"; memory_swap -1: no bound
        cpus, cpu_shares, cpu_period, cpu_quota, cpuset_cpus, cpuset_mems, pids_limit (2048; -1: none),
        blkio_weight, memory_swappiness, oom_kill_disable, oom_score_adj, cgroup_parent   as docker run's
        ulimits                {"nofile": (1024, 2048)}, or "nofile=1024:2048" words
        ipc, uts, cgroupns     "private" (default) or "host"; ipc also "none": without /dev/shm
        userns, privileged     userns="host" and, as root, privileged=True make the container's root the
                               host's. privileged: all capabilities, no filter, no masks, all devices.
                               A Warned event says what is given up
        """
        from cowl.container.run import start

        removed = not detach if remove is None else remove
        chosen = self._heeded(_options(remove=removed, timeout=timeout, **options))
        streams = (stdin, stdout, stderr)
        if detach:
            return self._create(image, command, chosen).start(
                stdin=stdin, stdout=stdout, stderr=stderr, detach=True
            )
        return start(self._containers, self._resolve(image, None), image, command, chosen, streams)

    def create(
        self,
        image: str,
        command: Sequence[str] = (),
        *,
        remove: bool = False,
        timeout: float = 0,
        **options: Unpack[RunKeywords],
    ) -> Container:
        """A container that is not started yet; see Container.start. It stays when the engine closes.

        `options` are those of `start`; with `remove` it is removed at the end of its run.
        """
        return self._create(image, command, self._heeded(_options(remove=remove, timeout=timeout, **options)))

    def _create(self, image: str, command: Sequence[str], options: RunOptions) -> Container:
        from cowl.container.creation import create
        from cowl.container.handle.container import Container

        service = self._containers
        record = create(self.store, self._resolve(image, None), image, command, options, owned=False)
        return Container(service, record)

    def _heeded(self, options: RunOptions) -> RunOptions:
        """With the runtime of our configuration, if they name none; an event says what they give up."""
        if not options.runtime and self.config.runtime != "embedded":
            options = options.replace(runtime=self.config.runtime)
        if options.confinement is not None:
            from cowl.container.confinement import gives_up
            from cowl.events import Warned
            from cowl.linux.probe import rung

            if said := gives_up(options.confinement, rung()):
                self._emit(Warned(said))
        if options.fixtures is not None and options.fixtures.storage_opt:
            from cowl.container.size_limit import weaker
            from cowl.events import Warned

            self._emit(Warned(weaker(options.fixtures.storage_opt)))
        return options

    def warm_up(self, *, detach: bool = False) -> None:
        """A hint that a `start`, `run` or `exec` follows: what that needs is loaded in a process beside.

        detach  a detached start
        Worth it once, early in a short-lived process; otherwise it changes nothing.
        """
        if detach:
            self._containers.prepare_monitor()
        else:
            self._running_runtime().prepare()

    def containers(self, *, all: bool = False) -> list[Container]:  # noqa: A002  # Docker's flag
        """Running containers, newest first; with `all` also those that ended."""
        return self._containers.list(all=all)

    def container(self, name: str) -> Container:
        """By name, ID or unambiguous ID prefix. Raises NotFound, Conflict."""
        return self._containers.find(name)

    def export(self, container: str, dest: str | BinaryIO) -> None:
        """The file system of a container as one tar, uncompressed, as `docker export`; running or not.

        dest  a path, where the file appears whole or not at all, or a binary stream
        What is mounted into it is left out, volumes too. A file that a running container changes while it
        is read is told by Warned. Raises NotFound, Conflict, Invalid kinds, OSError.
        """
        from cowl.transfer.export_container import export_container

        record = self.store.containers.find(container)
        export_container(self.store, record, dest, self._emit)
        self.store.events.note_container(record, "export")


def _options(**given: Any) -> RunOptions:
    from cowl.container.options import run_options

    return run_options(**given)
