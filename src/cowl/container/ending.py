"""How containers end: waited for, killed, stopped, removed; also those of other processes."""

from __future__ import annotations

import os
import select
import time

from cowl.container.result import RunTimeout
from cowl.container.signals import signal_number
from cowl.container.surroundings import sweep
from cowl.errors import NotFound
from cowl.linux.process import NoSuchProcess
from cowl.store.container_record import ACTIVE, ContainerRunning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.handle.life import ContainerLife
    from cowl.container.lifecycle import Containers
    from cowl.runtime.protocol import Running
    from cowl.store.containers import ContainerRecord
    from cowl.store.store import Store

KILLED = 137  # exit code of what was killed and nobody could ask, as a shell says it: 128 + SIGKILL
POLL_SECONDS = 0.02
GRACE_SECONDS = 1.0  # how long an owner that is no monitor may take to record the exit
_WAKE = 10  # SIGUSR1, which a monitor takes for "look at the row"
_KILL = 9
STOP, RESTART = "stop", "restart"  # what a container can be asked, see Containers.ask of the store


def is_over(record: ContainerRecord) -> bool:
    """Whether its process has ended and nobody has recorded that: its owner may have died with it."""
    if record.state == "restarting":
        return True  # only its monitor knows
    return record.state in ACTIVE and (record.process is None or not record.process.alive())


def is_active(service: Containers, identity: str) -> bool:
    """Whether a container runs, or will run again by itself. One that is gone does not."""
    try:
        return service.find(identity).record.state in ACTIVE
    except NotFound:
        return False


def still_runs(record: ContainerRecord, timeout: float | None) -> RunTimeout:
    """What `wait` raises when its time is over."""
    return RunTimeout(tuple(record.settings["args"]), timeout or 0, killed=False)


def recover(store: Store) -> bool:
    """Finishes what processes that have died left, in the store and outside; True if there was anything."""
    if not store.recover():
        return False
    sweep(store)
    return True


def drop(store: Store, record: ContainerRecord, *, volumes: bool = False, exit_code: int = KILLED) -> None:
    """Deletes row and upper, unless another thread or process was first.

    exit_code  of its run, if the end of that is not recorded
    """
    try:
        store.containers.remove(record.id, volumes=volumes, exit_code=exit_code)
    except NotFound:
        pass


def watch(store: Store, record: ContainerRecord, timeout: float | None) -> tuple[int, ContainerRecord]:
    """Waits for the end of a container's run that another process looks after: its exit code and row.

    If that process died with it, nobody knows more than KILLED. Raises NotFound when it removed the
    container at its end: then nobody knows at all; RunTimeout.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    grace = None
    while record.state in ("running", "paused"):
        now = time.monotonic()
        if deadline is not None and now > deadline:
            raise still_runs(record, timeout)
        if is_over(record):
            grace = grace or now + GRACE_SECONDS
            recover(store)
            if now > grace and store.containers.monitor_of(record.id) is None:
                return KILLED, record.replace(state="exited", exit_code=KILLED)
            time.sleep(POLL_SECONDS)
        else:
            _sleep(record, deadline)
        record = store.containers.get(record.id)
    return record.exit_code, record


def _sleep(record: ContainerRecord, deadline: float | None) -> None:
    """Until the process has ended, or for a while."""
    left = 1.0 if deadline is None else min(1.0, max(0.0, deadline - time.monotonic()))
    try:
        pidfd = record.process.open() if record.process is not None else -1
    except NoSuchProcess:
        return
    if pidfd < 0:
        return
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.poll(int(left * 1000) + 1)
    finally:
        os.close(pidfd)


def kill(service: Containers, record: ContainerRecord, signal: int | str, stop_signal: str) -> bool:
    """Sends a signal to pid 1; False when there is none. What is meant to end it ends its restarts too."""
    number = signal_number(signal)
    if record.monitored and number in (_KILL, signal_number(stop_signal or "TERM")):
        service.store.containers.ask(record.id, STOP)
    return service.signal(record, number)


def stop(
    service: Containers,
    record: ContainerRecord,
    signal: int | str,
    timeout: float | None,
    *,
    wish: str = STOP,
) -> ContainerRecord:
    """Ends a container that another process looks after: `signal`, after `timeout` seconds SIGKILL.

    Its restart policy is not asked. Gives the row once the end is recorded; at once if it is at rest.
    timeout  None waits for ever
    Raises NotFound when it was removed at its end.
    """
    number = signal_number(signal)
    store = service.store
    record = service.find(record.id).record
    if record.state not in ACTIVE:
        return record
    store.containers.ask(record.id, wish)
    try:
        return _end(service, record, number, timeout)
    finally:
        store.events.note_container(record, "stop")


def _end(service: Containers, record: ContainerRecord, number: int, timeout: float | None) -> ContainerRecord:
    """Signals it until its end is recorded."""
    store = service.store
    deadline = None if timeout is None else time.monotonic() + timeout
    told = None
    while record.state in ACTIVE:
        if record.state == "restarting":
            _wake(store, record)
        elif told != record.process:
            service.signal(record, number)
            told = record.process
        try:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            record = watch(store, record, left)[1]
        except RunTimeout:
            service.signal(record, _KILL)
            deadline, record = None, store.containers.get(record.id)
        if record.state in ACTIVE:
            time.sleep(POLL_SECONDS)
            recover(store)
            record = store.containers.get(record.id)
    return record


def _wake(store: Store, record: ContainerRecord) -> None:
    """Has the monitor look at the row now; one that has died is seen to by the next `recover`."""
    monitor = store.containers.monitor_of(record.id)
    try:
        if monitor is not None:
            monitor.send_signal(_WAKE)
    except NoSuchProcess:
        pass


def stop_now(box: ContainerLife) -> None:
    """Kills a container and returns when its end is recorded. One that has ended or is gone is fine."""
    try:
        box.stop(0)
    except NotFound:
        pass  # its owner removed it when it ended


def remove(
    service: Containers, record: ContainerRecord, running: Running | None, *, force: bool, volumes: bool
) -> None:
    """Deletes row and upper. A running one is killed first with `force`, else ContainerRunning.

    Its anonymous volumes go too with `volumes`. One that is gone already is fine.
    """
    try:
        record = service.find(record.id).record
        if record.state in ACTIVE:
            _end_first(service, record, running, force=force)
    except NotFound:
        return  # its owner removed it when it ended
    drop(service.store, record, volumes=volumes)


def _end_first(service: Containers, record: ContainerRecord, running: Running | None, *, force: bool) -> None:
    lives = record.state == "restarting" or (record.process is not None and record.process.alive())
    if lives and not force:
        raise ContainerRunning(record.name, record.id, record.state)
    if running is not None:
        service.signal(record, _KILL)
        service.wait(record, running, None)
    elif lives:
        stop(service, record, _KILL, None)
