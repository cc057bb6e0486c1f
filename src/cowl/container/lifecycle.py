"""The life of containers: create, start, wait, exec, kill, remove. Wires store and runtime together."""

from __future__ import annotations

import os

from cowl.container.bundle import is_mapped
from cowl.container.creation import create
from cowl.container.ending import KILLED, drop, is_over, recover, still_runs, stop_now, watch
from cowl.container.handle.container import Container
from cowl.container.options import Settings
from cowl.container.result import RunTimeout
from cowl.container.signals import signal_number
from cowl.container.standby import StandbyMonitor
from cowl.container.starting import begin
from cowl.container.surroundings import release
from cowl.container.words import InvalidOptions
from cowl.errors import NotFound
from cowl.linux.cgroups import remove_leftover
from cowl.linux.process import NoSuchProcess, send_signal
from cowl.runtime.stdio import Stdio
from cowl.store.container_record import ACTIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.config import Config
    from cowl.container.copier import Copier
    from cowl.container.handle.life import ContainerLife
    from cowl.container.options import RunOptions
    from cowl.container.publisher import Publisher
    from cowl.linux.process import ProcessId
    from cowl.runtime.premises import Premises
    from cowl.runtime.protocol import Running, Runtime
    from cowl.runtime.stdio import ExitStatus
    from cowl.store.containers import ContainerRecord
    from cowl.store.images import ImageRecord
    from cowl.store.store import Store

DETACHED_ONLY = "a container with a restart policy runs detached: its monitor is what starts it again"


class Containers:
    """The service. `runtime` gives the one of a name when a container is started: listing needs none.

    publisher  gives who makes images of containers
    copier     gives who copies files into them and out of them
    """

    def __init__(
        self,
        store: Store,
        config: Config,
        runtime: Callable[[str], Runtime],
        publisher: Callable[[], Publisher],
        copier: Callable[[], Copier],
    ) -> None:
        self.store = store
        self.config = config
        self.publisher = publisher
        self.copier = copier
        self.runtime = runtime
        self._owner = os.getpid()
        self._started: dict[str, ContainerLife] = {}  # here, and not known to have ended
        self._standby = StandbyMonitor()
        self._helpers: list[int] = []  # processes that have ended, or will in a moment

    def find(self, name: str) -> Container:
        """By name, ID or unambiguous ID prefix. Raises NotFound, Conflict."""
        return Container(self, self._find(name))

    def _find(self, name: str) -> ContainerRecord:
        record = self.store.containers.find(name)
        if is_over(record) and recover(self.store):
            record = self.store.containers.find(name)
        return record

    def list(self, *, all: bool = False) -> list[Container]:  # noqa: A002  # the flag that Docker has
        """Newest first; only those that run, are paused or are between two runs, unless `all`."""
        records = self.store.containers.list()
        if any(map(is_over, records)) and recover(self.store):
            records = self.store.containers.list()
        return [Container(self, record) for record in records if all or record.state in ACTIVE]

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
        if options.restart != "no":
            raise InvalidOptions(DETACHED_ONLY, hint="start it with detach=True, on the command line with -d")
        self.runtime(options.runtime).prepare()
        return self._launch(create(self.store, image, name, command, options, owned=True), stdio)

    def start_again(self, record: ContainerRecord, stdio: tuple[int, int, int]) -> Container:
        """Starts a container that was created or has ended, on its own settings and files.

        Raises ContainerNotStopped, ContainerBusy, NotFound, InvalidOptions.
        """
        record = self._find(record.id)
        if Settings.from_json(record.settings).restart != "no":
            raise InvalidOptions(
                DETACHED_ONLY, hint="start it with detach=True, on the command line without -a"
            )
        return self._launch(record, stdio, claimed=False)

    def start_detached(
        self, record: ContainerRecord, *, attached: tuple[int, ...] = (), size: tuple[int, ...] = ()
    ) -> ContainerRecord:
        """Has a monitor start it, which outlives this process; its row as it is then. Raises as `begin`.

        attached, size  see MonitorStart.begin
        """
        monitor = self._standby.take(mapped=is_mapped(Settings.from_json(record.settings)))
        try:
            monitor.begin(self.config, record.id, attached=attached, size=size)
        finally:
            monitor.close()
        try:
            return self.store.containers.get(record.id)
        except NotFound:  # it has ended and was to be removed then
            return record.replace(state="exited")

    def prepare_monitor(self) -> None:
        """A hint that `start_detached` follows: the monitor's interpreter is loaded meanwhile."""
        self._standby.prepare()

    def _launch(
        self, record: ContainerRecord, stdio: tuple[int, int, int], *, claimed: bool = True
    ) -> Container:
        start = self.runtime(record.settings.get("runtime", "")).start
        running, record = begin(self, record, stdio, start, claimed=claimed)
        box = self._started[record.id] = Container(self, record, running)
        if box.settings.health is not None:
            self._watch_health(box)
        return box

    def _watch_health(self, box: Container) -> None:
        """One in the foreground has no monitor that would."""
        from cowl.container.health_watch import start_watch

        schedule = box.settings.health.schedule() if box.settings.health else ""
        try:
            watch = start_watch(self.config, box.record, schedule, mapped=is_mapped(box.settings))
        except NoSuchProcess:
            return  # it has ended already
        self._helpers.append(watch)

    def adopt(self, box: ContainerLife) -> None:
        """Remembers the handle of a started container in place of the one that it was started with."""
        self._started[box.id] = box

    def forget(self, box: ContainerLife) -> None:
        """The container is gone."""
        self._started.pop(box.id, None)

    def close(self) -> None:
        """Kills what was started here and still runs, as the ends of their `with` blocks would.

        In a forked child nothing: what runs is its parent's.
        """
        if self._owner != os.getpid():
            return
        self._standby.close()
        for box in [*self._started.values()]:
            box.__exit__(None, None, None)
        while self._helpers:
            try:
                os.waitpid(self._helpers.pop(), 0)
            except ChildProcessError:
                pass  # the program that we are in ignores SIGCHLD, or waits for whatever comes

    def look(self, record: ContainerRecord, running: Running | None) -> ContainerRecord:
        """The row as it is now; of our own container that has ended meanwhile the end is recorded."""
        if running is not None and record.state in ACTIVE:
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
            return watch(self.store, record, timeout)
        try:
            status = running.wait(timeout)
        except TimeoutError:
            raise still_runs(record, timeout) from None
        return status.code, self._ended(record, status)

    def _ended(self, record: ContainerRecord, status: ExitStatus) -> ContainerRecord:
        """Records the end once; removes what was started with `remove=True`."""
        if record.state not in ACTIVE:
            return record
        self._started.pop(record.id, None)
        if record.cgroup and status.code == KILLED:
            remove_leftover(record.cgroup)  # nothing is there, unless its keeper was killed too
        return self.end(record, status.code, oom_killed=status.out_of_memory)

    def end(
        self, record: ContainerRecord, code: int, *, oom_killed: bool, keep: bool = False
    ) -> ContainerRecord:
        """Records the end of a container, or removes it if it was to be removed, unless it is to be kept."""
        ended = record.replace(state="exited", exit_code=code, oom_killed=oom_killed)
        release(self.store, record)
        if record.auto_remove and not keep:
            drop(self.store, record, exit_code=code)
            return ended
        try:
            measure = self.store.measure_upper(record)
            self.store.containers.exited(record.id, code, measure, oom_killed=oom_killed)
            return self.store.containers.get(record.id)
        except (NotFound, FileNotFoundError):
            return ended  # removed by another meanwhile

    def signal(self, record: ContainerRecord, signal: int | str) -> bool:
        """Signals pid 1 of the container through a pidfd; False when it is not running."""
        number = signal_number(signal)
        if record.state not in ACTIVE or record.process is None:
            return False
        try:
            pidfd = record.process.open()
        except NoSuchProcess:
            return False
        try:
            self.store.events.note_container(record, "kill", {"signal": str(number)})
            send_signal(pidfd, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(pidfd)
        self._wake(record)
        return True

    def _wake(self, record: ContainerRecord) -> None:
        """After a signal: one that is paused, perhaps by another process, goes on and heeds it."""
        if self.store.containers.is_paused(record.id):
            from cowl.container.pausing import wake

            wake(self, record)

    def visit(self, where: ProcessId | Premises, program: str, stdio: Stdio) -> Running:
        """See Runtime.visit."""
        return self.runtime("").visit(where, program, stdio)

    def sizes(self, record: ContainerRecord) -> tuple[int, int]:
        """(apparent bytes of the upper, the same with the image's layers)."""
        upper = record.size_bytes
        if upper is None:
            upper = self.store.measure_upper(record).size_bytes
        return upper, upper + sum(layer.size_bytes for layer in record.layers)

    def stop_now(self, identity: str) -> None:
        """Kills a container and returns when its end is recorded. One that has ended or is gone is fine."""
        stop_now(self._started.get(identity) or self.find(identity))

    def leave(self, record: ContainerRecord, running: Running | None) -> ContainerRecord:
        """The end of a `with` block: kills what still runs, reaps, removes if it was to be removed."""
        if running is None:
            return record
        if record.state in ACTIVE:
            running.signal(9)
            self._wake(record)
            record = self.wait(record, running, None)[1]
        running.close()
        return record
