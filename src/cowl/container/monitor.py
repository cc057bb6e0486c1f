"""The monitor: the process that a detached container has for itself. See docs/decisions/0026-monitor.md.

It is an interpreter of its own, started by the command and let go of by it: nothing of the command's
memory, environment or descriptors is in it. It owns the container in the store, starts it as its child,
records its end and applies its restart policy. While the container runs it is the program of
`attendance`, which keeps the output; this one is loaded again when the container has ended.
"""

from __future__ import annotations

import json
import os
import time
from functools import partial

from cowl.config import Config
from cowl.container.attach_words import SOCKET
from cowl.container.attachments import dismiss
from cowl.container.attendance import HEARD, WAKE, Task, change_to, leave_word, own_task
from cowl.container.json_log import JsonLog, log_directory
from cowl.container.lifecycle import Containers
from cowl.container.log_options import NONE, parse_log
from cowl.container.loop import Loop
from cowl.container.options import Settings
from cowl.container.restart import next_delay, parse_policy
from cowl.container.signals import signal_number
from cowl.container.starting import begin
from cowl.errors import NotFound, Unavailable
from cowl.linux import channel, credentials
from cowl.linux.descriptors import arrange
from cowl.linux.local_socket import listen, unlink
from cowl.linux.signal_fd import open_signals, read_signals
from cowl.runtime.cgroup import release
from cowl.runtime.choice import runtime_for
from cowl.runtime.failures import CommandNotExecutable, CommandNotFound, encode
from cowl.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from cowl.runtime.in_person import Kept
    from cowl.runtime.spec import Bundle
    from cowl.store.container_record import ContainerRecord

CONTROL = 3  # the channel to the command, which ends once the container is started
_FAREWELL_SECONDS = 0.1  # some looks of `ending.watch`
_RECORD_TRIES = 60  # seconds that a store may be full or away when the end is recorded


def serve() -> NoReturn:
    """The program at its first start, by `detached`: waits for a container to look after."""
    try:
        nothing = os.open("/dev/null", os.O_RDWR)
        arrange((nothing, nothing, nothing, CONTROL))
        os.setsid()
        os.chdir("/")
        os.umask(0o022)
        credentials.default_signals()
        data, attached = channel.receive(CONTROL)
        if data:
            job = json.loads(data)
            clients = " ".join(map(str, attached))
            size = tuple(job["size"])
            _look_after(Task(job["root"], job["runtime"], job["id"], clients=clients), ended=False, size=size)
    except BaseException as error:  # noqa: BLE001  # nobody else would hear of it
        _say(b"F" + encode(error))
    finally:
        os._exit(0)


def resume() -> NoReturn:
    """The program when the container has ended."""
    task = own_task()
    try:
        _look_after(task, ended=True)
    except BaseException as error:  # noqa: BLE001  # nobody else would hear of it
        leave_word(task, error)
    finally:
        os._exit(0)


def _look_after(task: Task, *, ended: bool, size: tuple[int, ...] = ()) -> None:
    """size: rows and columns of the window that its terminal has at the first start; () if unknown."""
    credentials.rename("cowl-monitor")
    credentials.ignore_broken_pipes()
    signals = open_signals(HEARD)
    store = Store.open(Config(root=task.root, runtime=task.runtime))
    if ended:
        store.inherit_owner(task.owner, task.lock)
    monitor = Monitor(store, task, signals)
    if ended and not monitor.rest():
        store.close()
        return
    started = monitor.start(again=ended, size=size)
    if started is None:
        store.close()
        return
    owner, lock = store.bequeath_owner()
    change_to("attendance:attend", started.replace(owner=owner, lock=lock))


class Monitor:
    """One container between two of its runs."""

    def __init__(self, store: Store, task: Task, signals: int) -> None:
        config = Config(root=task.root, runtime=task.runtime)
        self._store = store
        self._task = task
        self._signals = signals
        self._record = store.containers.get(task.id)
        self._settings = Settings.from_json(self._record.settings)
        self._runtime = runtime = runtime_for(config, self._settings.runtime)
        self._start = runtime.start_in_person
        self._service = Containers(store, config, lambda _name: runtime, _publisher, _copier)
        self._oom_killed = False  # in the run that has ended

    def start(self, *, again: bool, size: tuple[int, ...] = ()) -> Task | None:
        """One run of the container, as it is to be attended; None, told and recorded, if it failed."""
        theirs, ours = self._open_streams()
        self._make_log()
        start = partial(_start_in_window, self._start, size) if size else self._start
        try:
            self._open_socket()
            kept, self._record = begin(
                self._service, self._record, theirs, start, monitored=True, again=again
            )
        except Exception as error:  # noqa: BLE001  # of whatever kind: the command shows it
            self._failed(error)
            return None
        for fd in {*theirs}:
            os.close(fd)
        if not again:
            _say(b"S")
            os.close(CONTROL)
        return self._attended(kept, ours)

    def _open_socket(self) -> None:
        """Where others attach, from the first moment at which it is seen to run."""
        if self._task.socket < 0:
            self._task = self._task.replace(socket=listen(self._record.directory, SOCKET))

    def _make_log(self) -> None:
        """So that a reader who comes at once finds it."""
        if self._settings.log_driver != NONE:
            log = JsonLog(log_directory(self._record.directory))
            log.open()
            log.close()

    def _open_streams(self) -> tuple[tuple[int, int, int], dict[str, int]]:
        """The container's ends of its streams, and ours by name. With a terminal there are none yet."""
        nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        if self._settings.tty:
            return (nothing, nothing, nothing), {}
        out_reader, stdout = os.pipe()
        err_reader, stderr = os.pipe()
        ours = {"stdout": out_reader, "stderr": err_reader}
        if not self._settings.open_stdin:
            return (nothing, stdout, stderr), ours
        os.close(nothing)
        stdin, ours["stdin"] = os.pipe()
        return (stdin, stdout, stderr), ours

    def _attended(self, kept: Kept, streams: dict[str, int]) -> Task:
        settings = self._settings
        rotation = parse_log(settings.log_driver, settings.log_options)
        return self._task.replace(
            directory=self._record.directory,
            pid=kept.process.pid,
            pidfd=kept.pidfd,
            console=kept.console,
            listener=kept.listener,
            once=int(settings.stdin_once),
            timeout_ms=int(settings.timeout * 1000),
            log_bytes=rotation.max_bytes,
            log_files=-1 if settings.log_driver == NONE else rotation.max_files,
            stop_signal=signal_number(settings.stop_signal or "TERM"),
            stop_ms=int(max(settings.stop_seconds, -1) * 1000),
            health=settings.health.schedule() if settings.health is not None else "",
            **streams,
        )

    def _failed(self, error: Exception) -> None:
        status = 127 if isinstance(error, CommandNotFound) else 128
        status = 126 if isinstance(error, CommandNotExecutable) else status
        try:
            self._store.containers.let_go(self._record.id, str(error), status)
        finally:
            _say(b"F" + encode(error))

    def rest(self) -> bool:
        """Records how the run ended, and waits for the next; False when there will be none."""
        code = self._task.code
        self._oom_killed = bool(self._record.cgroup) and release(self._record.cgroup)
        self._runtime.release(self._record.id, self._record.directory)
        try:
            if self._task.asked:
                self._store.containers.ask(self._record.id, "stop")
            record = self._store.containers.get(self._record.id)
            policy = parse_policy(Settings.from_json(record.settings).restart)
            if record.wish or not policy.wants(code, record.restarts):
                self._finish(record, code)
                return False
            delay = next_delay(self._task.delay / 1000, time.time() - record.started_at)
            self._task = self._task.replace(delay=round(delay * 1000), code=0, asked=0)
            self._store.containers.restarting(record.id, code, oom_killed=self._oom_killed)
            self._dismiss(code)
            if self._pause(delay):
                return True
            self._finish(self._store.containers.get(record.id), code)
        except NotFound:
            pass  # somebody removed it: nothing is left to be recorded
        finally:
            self._dismiss(code)
        return False

    def _dismiss(self, code: int) -> None:
        """Those who are attached learn how the run ended, now that it is recorded. Idempotent."""
        dismiss(self._task.attached(), code)
        self._task = self._task.replace(clients="")

    def _pause(self, seconds: float) -> bool:
        """Waits before the next run; False when it was asked to stop meanwhile."""
        loop = Loop()
        over: list[bool] = []
        loop.later(seconds, lambda: over.append(True))
        loop.watch(self._signals, self._heed)
        loop.run(lambda: bool(over) or self._is_to_stop())
        return not self._is_to_stop()

    def _heed(self) -> None:
        """A signal between two runs: whoever set a wish tells us so, and any other is a wish by itself."""
        if not {*read_signals(self._signals)} <= {WAKE}:
            self._store.containers.ask(self._record.id, "stop")

    def _is_to_stop(self) -> bool:
        return bool(self._store.containers.get(self._record.id).wish)

    def _finish(self, record: ContainerRecord, code: int) -> None:
        """Records the end for good. A store that is full for a moment is asked again.

        What is to be removed now is shown as ended for a moment, so that who waits for it learns its code.
        """
        keep = record.wish == "restart"
        if record.auto_remove and not keep:
            self._insist(lambda: self._service.end(record, code, oom_killed=self._oom_killed, keep=True))
            time.sleep(_FAREWELL_SECONDS)
        self._insist(lambda: self._service.end(record, code, oom_killed=self._oom_killed, keep=keep))
        unlink(self._record.directory, SOCKET)

    def _insist(self, action: Callable[[], object]) -> None:
        for _ in range(_RECORD_TRIES):
            try:
                action()
                return
            except Unavailable:
                time.sleep(1)


def _start_in_window(
    start: Callable[..., Kept], size: tuple[int, ...], bundle: Bundle, *rest: object, **more: object
) -> Kept:
    """A start whose terminal, if it has one, is of that size before anything can ask for it."""
    rows, columns = size
    process = {**bundle.spec["process"], "consoleSize": {"height": rows, "width": columns}}
    return start(bundle.replace(spec={**bundle.spec, "process": process}), *rest, **more)


def _publisher() -> NoReturn:
    raise AssertionError("a monitor makes no images")


def _copier() -> NoReturn:
    raise AssertionError("a monitor copies no files")


def _say(data: bytes) -> None:
    """Tells the command how the first start went; it listens for no more than that."""
    try:
        channel.send(CONTROL, data)
    except OSError:
        pass  # it was killed meanwhile, or this is a later start
