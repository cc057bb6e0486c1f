"""The life of containers: create, start, wait, exec, kill, remove. Wires store and runtime together."""

from __future__ import annotations

import os
import time

from cowl.container.bundle import exec_confinement, make_bundle, make_process
from cowl.container.handle import Container, ContainerNotRunning
from cowl.container.options import Settings, check_process, fold, words
from cowl.container.result import RunTimeout
from cowl.container.signals import signal_number
from cowl.errors import NotFound
from cowl.linux.process import NoSuchProcess
from cowl.oci.image_config import ImageConfig
from cowl.runtime.stdio import Stdio
from cowl.store.container_hold import ContainerHold, ContainerNotStopped, check_stopped
from cowl.store.containers import ContainerRunning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cowl.container.options import RunOptions
    from cowl.container.publisher import Publisher
    from cowl.runtime.protocol import Running, Runtime
    from cowl.store.containers import ContainerRecord
    from cowl.store.images import ImageRecord
    from cowl.store.store import Store
    from cowl.store.volume_record import Claim

KILLED = 137  # exit code of what was killed and nobody could ask, as a shell says it: 128 + SIGKILL
POLL_SECONDS = 0.02
GRACE_SECONDS = 1.0  # how long the owner of a container may take to record its exit


class Containers:
    """The service. `runtime` is called when a container is first started: listing needs none.

    publisher  gives who makes images of containers
    """

    def __init__(
        self, store: Store, runtime: Callable[[], Runtime], publisher: Callable[[], Publisher]
    ) -> None:
        self.store = store
        self.publisher = publisher
        self._runtime = runtime
        self._owner = os.getpid()
        self._started: dict[str, Container] = {}  # here, and not known to have ended

    def find(self, name: str) -> Container:
        """By name, ID or unambiguous ID prefix. Raises NotFound, Conflict."""
        return Container(self, self._find(name))

    def _find(self, name: str) -> ContainerRecord:
        record = self.store.containers.find(name)
        if _is_over(record) and self.store.recover():
            record = self.store.containers.find(name)
        return record

    def list(self, *, all: bool = False) -> list[Container]:  # noqa: A002  # the flag that Docker has
        """Newest first; running ones only, unless `all`."""
        records = self.store.containers.list()
        if any(map(_is_over, records)) and self.store.recover():
            records = self.store.containers.list()
        return [Container(self, record) for record in records if all or record.state == "running"]

    def start(
        self,
        image: ImageRecord,
        name: str,
        command: Sequence[str],
        options: RunOptions,
        stdio: tuple[int, int, int],
    ) -> Container:
        """Creates and starts a container on the caller's fds.

        When it can't be started nothing runs; its row stays as "created" unless `options.remove`.
        """
        return self._launch(self.create(image, name, command, options), stdio)

    def create(
        self, image: ImageRecord, name: str, command: Sequence[str], options: RunOptions
    ) -> ContainerRecord:
        """A container with its volumes, not started. Raises InvalidOptions, NameInUse, InvalidName."""
        config = ImageConfig.parse(image.config_bytes)
        settings = fold(name, config.config, command, options)
        if options.confinement is not None:
            from cowl.container.confinement import check_rung
            from cowl.linux.probe import rung

            check_rung(options.confinement, rung())
        volumes: Sequence[Claim] = ()
        if settings.mounts:
            from cowl.container.mounts import claims, with_names

            settings = settings.replace(mounts=with_names(settings.mounts))
            volumes = claims(settings.mounts)
        record = self.store.containers.create(
            options.name,
            str(image.id),
            [layer.key for layer in image.layers],
            settings.to_json(),
            auto_remove=options.remove,
            volumes=volumes,
        )
        if volumes:
            self.fill_volumes(record)
        return record

    def fill_volumes(self, record: ContainerRecord) -> None:
        """Makes a new container's volumes ready; see `mounts.fill_volumes`. A failure may remove it."""
        from cowl.container.mounts import fill_volumes

        try:
            fill_volumes(self.store, record, Settings.from_json(record.settings).mounts)
        except BaseException:
            if record.auto_remove:
                self._drop(record)
            raise

    def start_again(self, record: ContainerRecord, stdio: tuple[int, int, int]) -> Container:
        """Starts a container that was created or has ended, on its own settings and files.

        Raises ContainerNotStopped, ContainerBusy, NotFound.
        """
        return self._launch(self._find(record.id), stdio, again=True)

    def _launch(
        self, record: ContainerRecord, stdio: tuple[int, int, int], *, again: bool = False
    ) -> Container:
        """Runs the container's first process; while that comes about nobody may move its upper.

        The row names us before anything is mounted: one made here does so from its beginning.
        """
        try:
            with ContainerHold(record):
                record = self.store.containers.get(record.id)
                check_stopped(record)
                if again:
                    self.store.containers.claim(record.id)
                try:
                    record, running = self._run(record, stdio)
                except BaseException:
                    if again:
                        self.store.containers.unclaim(record.id)
                    raise
        except ContainerNotStopped:
            raise
        except BaseException:
            if record.auto_remove:
                self._drop(record)
            raise
        box = self._started[record.id] = Container(self, record, running)
        return box

    def _run(self, record: ContainerRecord, stdio: tuple[int, int, int]) -> tuple[ContainerRecord, Running]:
        bundle = make_bundle(self.store, record, Settings.from_json(record.settings))
        running = self._runtime().start(bundle, Stdio(*stdio))
        try:
            self.store.containers.started(record.id, running.process)
            return self.store.containers.get(record.id), running
        except BaseException:
            running.close()
            raise

    def adopt(self, box: Container) -> None:
        """Remembers the handle of a started container in place of the one that it was started with."""
        self._started[box.id] = box

    def close(self) -> None:
        """Kills what was started here and still runs, as the ends of their `with` blocks would.

        In a forked child nothing: what runs is its parent's.
        """
        if self._owner != os.getpid():
            return
        for box in [*self._started.values()]:
            box.__exit__(None, None, None)

    def look(self, record: ContainerRecord, running: Running | None) -> ContainerRecord:
        """The row as it is now; of our own container that has ended meanwhile the end is recorded."""
        if running is not None and record.state == "running":
            try:
                return self.wait(record, running, 0)[1]
            except RunTimeout:
                pass
        return self._find(record.id)

    def wait(
        self, record: ContainerRecord, running: Running | None, timeout: float | None
    ) -> tuple[int, ContainerRecord]:
        """The exit code and the last row. Our own containers are reaped, others' rows are watched."""
        if running is None:
            return self._watch(record, timeout)
        try:
            status = running.wait(timeout)
        except TimeoutError:
            raise _still_runs(record, timeout) from None
        return status.code, self._ended(record, status.code)

    def _ended(self, record: ContainerRecord, code: int) -> ContainerRecord:
        """Records the end once; removes what was started with `remove=True`."""
        if record.state != "running":
            return record
        self._started.pop(record.id, None)
        ended = record.replace(state="exited", exit_code=code)
        if record.auto_remove:
            self._drop(record)
            return ended
        try:
            self.store.containers.exited(record.id, code, self.store.measure_upper(record))
            return self.store.containers.get(record.id)
        except (NotFound, FileNotFoundError):
            return ended  # removed by another meanwhile

    def _drop(self, record: ContainerRecord, *, volumes: bool = False) -> None:
        """Deletes row and upper, unless another thread or process was first."""
        try:
            self.store.containers.remove(record.id, volumes=volumes)
        except NotFound:
            pass

    def _watch(self, record: ContainerRecord, timeout: float | None) -> tuple[int, ContainerRecord]:
        """Waits for a container of another process. If that died with it, nobody knows more than KILLED.

        Raises NotFound when its owner removed it at its end: then nobody knows at all.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        grace = None
        while record.state == "running":
            now = time.monotonic()
            if deadline is not None and now > deadline:
                raise _still_runs(record, timeout)
            if _is_over(record):
                grace = grace or now + GRACE_SECONDS
                self.store.recover()
                if now > grace:
                    return KILLED, record.replace(state="exited", exit_code=KILLED)
            time.sleep(POLL_SECONDS)
            record = self.store.containers.get(record.id)
        return record.exit_code, record

    def signal(self, record: ContainerRecord, signal: int | str) -> bool:
        """Signals pid 1 of the container through a pidfd; False when it is not running."""
        number = signal_number(signal)
        if record.state != "running" or record.process is None:
            return False
        try:
            record.process.send_signal(number)
        except NoSuchProcess:
            return False
        return True

    def exec(
        self,
        record: ContainerRecord,
        args: tuple[str, ...],
        stdio: tuple[int, int, int],
        user: str,
        env: Mapping[str, str] | Sequence[str],
        workdir: str,
        *,
        tty: bool,
    ) -> Running:
        """Starts one more process in a running container, as confined as its first one."""
        if record.state != "running" or record.process is None:
            raise ContainerNotRunning(record.id)
        extra = words(env)
        check_process(args, extra, workdir or "/", user)
        settings = Settings.from_json(record.settings)
        process = make_process(self.store, record, settings, args, extra, user, workdir, tty=tty)
        try:
            return self._runtime().exec(record.process, process, Stdio(*stdio), **exec_confinement(settings))
        except NoSuchProcess:
            raise ContainerNotRunning(record.id) from None

    def sizes(self, record: ContainerRecord) -> tuple[int, int]:
        """(apparent bytes of the upper, the same with the image's layers)."""
        upper = record.size_bytes
        if upper is None:
            upper = self.store.measure_upper(record).size_bytes
        return upper, upper + sum(layer.size_bytes for layer in record.layers)

    def stop_now(self, identity: str) -> None:
        """Kills a container and returns when its end is recorded. One that has ended or is gone is fine."""
        box = self._started.get(identity) or self.find(identity)
        try:
            box.kill()
        except (ContainerNotRunning, NotFound):
            pass
        try:
            box.wait()
        except NotFound:
            pass  # its owner removed it when it ended

    def remove(self, record: ContainerRecord, running: Running | None, *, force: bool, volumes: bool) -> None:
        """Deletes row and upper. A running one is killed first with `force`, else ContainerRunning.

        Its anonymous volumes go too with `volumes`.
        """
        try:
            record = self.store.containers.find(record.id)
        except NotFound:
            return
        if record.state == "running" and record.process is not None and record.process.alive():
            if not force:
                raise ContainerRunning(record.name, record.id)
            self.signal(record, 9)
            try:
                self.wait(record, running, None)
            except NotFound:
                pass  # its owner removed it when it ended
        self._drop(record, volumes=volumes)
        self._started.pop(record.id, None)
        if running is not None:
            running.close()

    def leave(self, record: ContainerRecord, running: Running | None) -> ContainerRecord:
        """The end of a `with` block: kills what still runs, reaps, removes if it was to be removed."""
        if running is None:
            return record
        if record.state == "running":
            running.signal(9)
            record = self.wait(record, running, None)[1]
        running.close()
        return record


def _is_over(record: ContainerRecord) -> bool:
    """Whether its process has ended and nobody has recorded that: its owner may have died with it."""
    return record.state == "running" and (record.process is None or not record.process.alive())


def _still_runs(record: ContainerRecord, timeout: float | None) -> RunTimeout:
    return RunTimeout(tuple(record.settings["args"]), timeout or 0, killed=False)
