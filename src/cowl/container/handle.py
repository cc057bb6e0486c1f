"""A container in the caller's hand: wait, exec, diff, kill, remove. Gone when its `with` block ends."""

from __future__ import annotations

from cowl.container.ending import RESTART, is_active, kill, remove, stop
from cowl.container.options import Settings
from cowl.container.result import CompletedRun, RunFailed, RunTimeout
from cowl.container.streams import Pipes, converse
from cowl.container.words import InvalidOptions, as_input, as_words
from cowl.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from cowl.container.lifecycle import Containers
    from cowl.container.logs import LogEntry
    from cowl.container.output_log import OutputLog
    from cowl.container.publisher import CommittedImage
    from cowl.container.snapshots import Snapshot
    from cowl.runtime.protocol import Running
    from cowl.store.containers import ContainerRecord
    from cowl.store.store import Change


class ContainerNotRunning(Conflict):
    """The container has ended, or never ran; `id` is its whole ID."""

    def __init__(self, container_id: str) -> None:
        self.id = container_id
        super().__init__(f"container {container_id} is not running")


class Container:
    """A handle, not a value: its state is read from the store when asked for.

    Made by `Engine.start`, `Engine.container` and `Engine.containers`. As a context manager one that
    this engine started is killed, and removed if it was started with `remove=True`, when the block ends;
    one that was only looked up is left alone.
    """

    def __init__(self, service: Containers, record: ContainerRecord, running: Running | None = None) -> None:
        self._service = service
        self._record = record
        self._running = running
        self._settings: Settings | None = None  # they never change

    @property
    def id(self) -> str:
        """64 hex digits."""
        return self._record.id

    @property
    def name(self) -> str:
        """As given, or made up like Docker's."""
        return self._record.name

    @property
    def settings(self) -> Settings:
        """What it was started with, image and options folded together."""
        if self._settings is None:
            self._settings = Settings.from_json(self._record.settings)
        return self._settings

    @property
    def image(self) -> str:
        """The image's name as the caller gave it."""
        return self.settings.image

    @property
    def image_id(self) -> str:
        """ "sha256:..." of the image's config."""
        return str(self._record.image_id)

    @property
    def command(self) -> tuple[str, ...]:
        """ENTRYPOINT and CMD or the caller's command, as executed."""
        return self.settings.args

    @property
    def labels(self) -> dict[str, str]:
        """The image's labels with the caller's over them."""
        return dict(self.settings.labels)

    @property
    def created_at(self) -> float:
        """Seconds since the epoch."""
        return self._record.created_at

    @property
    def state(self) -> str:
        """ "created", "running", "paused", "restarting" or "exited", as of the last look at the store."""
        return self._record.state

    @property
    def exit_code(self) -> int:
        """0 to 255; 0 while it runs."""
        return self._record.exit_code

    @property
    def started_at(self) -> float:
        """Seconds since the epoch; 0 before it started."""
        return self._record.started_at

    @property
    def finished_at(self) -> float:
        """Seconds since the epoch; 0 before it ended."""
        return self._record.finished_at

    @property
    def record(self) -> ContainerRecord:
        """Its row, as of the last look at the store; not part of the public API."""
        return self._record

    @property
    def console(self) -> int:
        """The master end of its terminal, or -1 without `tty=True` or in another process."""
        return self._running.console if self._running is not None else -1

    def process(self) -> Running:
        """Its first process, for the one who started it. Raises ContainerNotRunning in other processes."""
        if self._running is None:
            raise ContainerNotRunning(self.id)
        return self._running

    def start(
        self,
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        detach: bool = False,
    ) -> Container:
        """Runs its command on its files as they are; for one that was created or has ended. Gives itself.

        stdin, stdout, stderr  file descriptors; None is /dev/null
        detach                 a process of its own looks after it, keeps its output and outlives us
        Unless it is detached it ends with its `with` block, or with the engine, as one of `Engine.start`.
        Returns once the command was executed. Raises ContainerNotStopped, ContainerBusy, NotFound,
        CommandNotFound, CommandNotExecutable.
        """
        if detach:
            if (stdin, stdout, stderr) != (None, None, None):
                raise InvalidOptions("a detached container has no streams of ours", hint="its logs keep them")
            self._record = self._service.start_detached(self._record)
            if self._running is not None:  # of an earlier run
                self._running.close()
                self._running = None
            return self
        from cowl.container.run import start_again

        fresh = start_again(self._service, self._record, (stdin, stdout, stderr))
        if self._running is not None:
            self._running.close()
        self._record, self._running = fresh._record, fresh._running
        self._service.adopt(self)
        return self

    def refresh(self) -> Container:
        """Looks at the store again; raises NotFound when the container was removed meanwhile."""
        self._record = self._service.look(self._record, self._running)
        return self

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises RunTimeout after `timeout` seconds; it then runs on.

        Raises NotFound when it was removed before we looked: then its code went with its row.
        """
        code, self._record = self._service.wait(self._record, self._running, timeout)
        return code

    def kill(self, signal: int | str = "KILL") -> None:
        """Sends a signal ("TERM", "SIGTERM" or 15) to its pid 1; raises ContainerNotRunning.

        After SIGKILL or its stop signal a detached one is not started again by its restart policy.
        """
        if not kill(self._service, self._record, signal, self.settings.stop_signal):
            raise ContainerNotRunning(self.id)

    def stop(self, timeout: float | None = None, *, signal: int | str = "") -> int:
        """Its stop signal, then SIGKILL; the exit code. No error if it has ended.

        timeout  seconds in between; None is its own (10 unless said otherwise), negative is for ever
        signal   in the place of its stop signal
        Its restart policy does not start it again. Raises NotFound as `wait` does.
        """
        seconds = self.settings.stop_seconds if timeout is None else timeout
        limit = None if seconds < 0 else seconds
        chosen = signal or self.settings.stop_signal or "TERM"
        if self._running is None:
            self._record = stop(self._service, self._record, chosen, limit)
            return self.exit_code
        self._service.signal(self._record, chosen)
        try:
            return self.wait(limit)
        except RunTimeout:
            self._service.signal(self._record, "KILL")
            return self.wait()

    def restart(self, timeout: float | None = None, *, signal: int | str = "") -> Container:
        """Stops it as `stop` does, if it runs, and starts it detached. Gives itself.

        Also one that was to be removed at its end stays. Raises as `start`.
        """
        seconds = self.settings.stop_seconds if timeout is None else timeout
        limit = None if seconds < 0 else seconds
        if self._running is not None:
            self.stop(timeout, signal=signal)
            self._running.close()
            self._running = None
        chosen = signal or self.settings.stop_signal or "TERM"
        stop(self._service, self._record, chosen, limit, wish=RESTART)
        return self.start(detach=True)

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
            running = self._service.exec(self._record, command, pipes.child(), user, env, workdir, tty=False)
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
        return self._service.exec(
            self._record, as_words("the command", args), stdio, user, env, workdir, tty=tty
        )

    def diff(self) -> tuple[Change, ...]:
        """What the container changed against its image, by path: A(dded), C(hanged), D(eleted)."""
        return self._service.store.changes(self._service.store.containers.get(self.id))

    def snapshot(self, name: str = "", *, message: str = "") -> Snapshot:
        """Keeps its files as they are now. `name` "" gives a snapshot without a name.

        Of a stopped container nothing is copied and nothing hashed: its upper is renamed to a layer, and
        it goes on with a fresh one on top of that. Of a running one all processes are held still while its
        upper is copied, by reflink where the file system can, and it goes on as if nothing had happened.
        Raises SnapshotNameInUse, InvalidSnapshotName, ContainerBusy, NotFound.
        """
        from cowl.container.snapshots import take

        found = take(self._service, self._record, name, message)
        self._record = self._service.store.containers.get(self.id)
        return found

    def commit(
        self,
        reference: str = "",
        *,
        message: str = "",
        author: str = "",
        changes: Sequence[str] = (),
        pause: bool = True,
    ) -> CommittedImage:
        """An image of its files as they are now, as `docker commit`: a cowl.Image. It goes on unchanged.

        changes  Dockerfile instructions for the image's config ("CMD top", "ENV A=b"), applied in order
        pause    holds its processes still while the files are copied, if it runs
        Files that it did not touch are its image's layers; without a file of its own there is no layer.
        Raises InvalidChange, InvalidReference, ContainerBusy, NotFound.
        """
        from cowl.container.snapshots import recorded_user

        self.refresh()
        return self._service.publisher().commit(
            self._record,
            reference,
            message=message,
            author=author,
            changes=as_words("changes", changes),
            pause=pause,
            user=recorded_user(self._service, self._record),
        )

    def fork(self, count: int = 1, *, name: str = "") -> list[Container]:
        """Containers that begin as this one is now, created and not started; each costs an empty upper.

        A nameless snapshot is taken first, and they are forks of it: see `snapshot` and `Snapshot.fork`.
        Without forks it does not stay.
        """
        from cowl.container.snapshots import fork_now

        made = fork_now(self._service, self._record, count, name)
        self._record = self._service.store.containers.get(self.id)
        return made

    def restore(self, snapshot: Snapshot | str) -> Container:
        """Throws away what it wrote, and puts it on a snapshot (also by name or ID). Gives itself.

        Name and settings stay. All or nothing; no file is copied. Raises NotFound, ContainerNotStopped,
        ContainerBusy.
        """
        from cowl.container.snapshots import restore

        self._record = restore(self._service, self._record, snapshot)
        return self

    def logs(
        self, *, follow: bool = False, tail: int | None = None, since: int = 0, until: int | None = None
    ) -> Iterator[LogEntry]:
        """What it printed, oldest first, also in its earlier runs.

        It is kept of detached ones, and of others by who uses `output_log`, as `cowl run` does.

        follow        waits for more until it has ended and all is read; restarts are no end
        tail          the last so many entries only
        since, until  nanoseconds since the epoch, both included
        Raises LogsUnreadable for the driver "none", NoLogs if nobody kept it.
        """
        from cowl.container.logs import Selection, read

        record = self._service.find(self.id).record
        active = (lambda: is_active(self._service, self.id)) if follow else None
        return read(record, self.settings, Selection(tail, since, until), active)

    def output_log(self) -> OutputLog:
        """Where somebody who relays the output of one that is not detached may keep a copy; see `logs`."""
        from cowl.container.output_log import OutputLog

        return OutputLog(self._record.directory, self.settings)

    def size(self) -> tuple[int, int]:
        """(bytes it wrote, the same with its image): apparent sizes; measured now if it runs."""
        return self._service.sizes(self._record)

    def attrs(self) -> dict[str, Any]:
        """The JSON value of `docker container inspect`."""
        from cowl.container.attrs import container_attrs

        return container_attrs(self._record, self.settings, self._service.store.directory.volume_data)

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """Deletes it with its upper; `force` kills it first, `volumes` takes its anonymous volumes along.

        Raises Conflict while it runs.
        """
        remove(self._service, self._record, self._running, force=force, volumes=volumes)
        self._service.forget(self)
        if self._running is not None:
            self._running.close()
        self._running = None

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._record = self._service.leave(self._record, self._running)
        self._running = None

    def __repr__(self) -> str:
        return f"<Container {self.id[:12]} {self.name} {self.state}>"
