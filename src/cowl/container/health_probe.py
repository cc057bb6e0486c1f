"""One look at a container's health: a program of its own, started by who looks after the container."""

from __future__ import annotations

import os
import select
import time

from cowl.config import Config
from cowl.container.executing import start_exec
from cowl.container.health import TIMEOUT, go_duration
from cowl.container.health_state import (
    HEALTHY,
    OUTPUT_BYTES,
    HealthResult,
    HealthState,
    read_health,
    write_health,
)
from cowl.container.lifecycle import Containers
from cowl.container.options import Settings
from cowl.errors import CowlError
from cowl.linux import credentials
from cowl.runtime.choice import runtime_for
from cowl.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from cowl.container.health import Health
    from cowl.runtime.protocol import Running
    from cowl.store.container_record import ContainerRecord

_CHUNK = 1 << 16
_PIPEFUL = 16  # reads that a pipe's greatest content takes
_NO_CODE = -1


def probe(root: str, runtime: str, identity: str, pid: str) -> NoReturn:
    """The program: exit status 0 if the container is healthy now.

    pid  of its first process when this was started: of another run nothing is recorded
    """
    status = 1
    try:
        credentials.rename("cowl-health")
        credentials.die_with_parent()
        credentials.ignore_broken_pipes()
        config = Config(root=root, runtime=runtime)
        with Store.open(config) as store:
            state = _look(store, config, identity, int(pid))
        status = 0 if state is not None and state.status == HEALTHY else 1
    finally:
        os._exit(status)


def _look(store: Store, config: Config, identity: str, pid: int) -> HealthState | None:
    record = store.containers.get(identity)
    if not _runs(record, pid):
        return None
    check = Settings.from_json(record.settings).health
    assert check is not None
    service = Containers(store, config, lambda name: runtime_for(config, name), _nobody, _nobody)
    result = _run(service, record, check)
    if not _runs(store.containers.get(identity), pid):
        return None  # it ended or was paused meanwhile, which is no wonder to be told
    before = read_health(record.directory)
    state = before.after(result, check, record.started_at)
    write_health(record.directory, state)
    if state.status != before.status:
        store.events.note_container(record, f"health_status: {state.status}")
    return state


def _runs(record: ContainerRecord, pid: int) -> bool:
    return record.state == "running" and record.process is not None and record.process.pid == pid


def _run(service: Containers, record: ContainerRecord, check: Health) -> HealthResult:
    """Executes the command in the container, as confined as its first process."""
    start = time.time()
    ours, theirs = os.pipe()
    nothing = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        running = start_exec(service, record, check.command, (nothing, theirs, theirs), "", (), "", tty=False)
    except CowlError as error:
        return HealthResult(start, time.time(), _NO_CODE, error.message)
    finally:
        os.close(theirs)
        os.close(nothing)
    output = _Output(ours)
    try:
        in_time = output.follow(running, check.timeout_seconds)
        code = running.wait().code if in_time else _NO_CODE
    finally:
        running.close()  # with all that descends from it
    return HealthResult(start, time.time(), code, output.text if in_time else _late(check, output.text))


def _late(check: Health, output: str) -> str:
    said = f"Health check exceeded timeout ({go_duration(check.timeout or TIMEOUT)})"
    return f"{said}: {output}" if output else said


class _Output:
    """What a probe prints, as much of it as is kept; the rest is read and dropped, so it never blocks."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._kept = b""
        self._more = False
        os.set_blocking(fd, False)

    def follow(self, running: Running, timeout: float) -> bool:
        """Reads until the process has ended; False when it has not in time."""
        deadline = time.monotonic() + timeout
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        poller.register(running.fileno(), select.POLLIN)
        while True:
            left = deadline - time.monotonic()
            ready = dict(poller.poll(max(0, int(left * 1000)) + 1))
            if self._fd in ready and not self._read():
                poller.unregister(self._fd)
            if running.fileno() in ready:
                self._drain()
                return True
            if left <= 0:
                return False

    def _drain(self) -> None:
        """What it had still in the pipe; not what somebody whom it left behind goes on to say."""
        for _ in range(_PIPEFUL):
            if not self._read():
                break

    def _read(self) -> bool:
        """One read; False when there is nothing, now or any more."""
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        room = OUTPUT_BYTES - len(self._kept)
        self._kept += data[:room]
        self._more = self._more or len(data) > room
        return bool(data)

    @property
    def text(self) -> str:
        """It, with an ellipsis where something is missing."""
        return self._kept.decode("utf-8", "replace") + ("..." if self._more else "")


def _nobody() -> NoReturn:
    raise AssertionError("a probe makes no images and copies no files")
