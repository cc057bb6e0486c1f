"""The health of a container in the foreground, which has no monitor: a small process that ends with it."""

from __future__ import annotations

import os

from cowl.container.attendance import Task
from cowl.container.health_checks import HealthChecks
from cowl.container.loop import Loop
from cowl.linux import credentials
from cowl.linux.descriptors import arrange
from cowl.linux.memory import give_back
from cowl.runtime.interpreter_start import CHANNEL, start_interpreter
from cowl.runtime.sealing import needs_sealing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from cowl.config import Config
    from cowl.store.container_record import ContainerRecord

# Forked once more at once: it is a child of nobody who might wait for his.
_CODE = (
    "import os, sys; os.fork() and os._exit(0); sys.path.append(sys.argv[1]);"
    " from cowl.container.health_watch import watch; watch(*{words!r})"
)


def start_watch(config: Config, record: ContainerRecord, schedule: str, *, mapped: bool) -> int:
    """Starts it for a container that was just started; the pid of a process to be buried, which ends at once.

    schedule  see Health.schedule
    mapped    the container has a user namespace of its own
    Raises Unavailable, NoSuchProcess.
    """
    assert record.process is not None
    pidfd = record.process.open()
    words = (config.root, config.runtime, record.id, record.process.pid, schedule)
    try:
        code = _CODE.format(words=words)
        return start_interpreter(code, pidfd, sealed=needs_sealing(mapped=mapped), clean=True)
    finally:
        os.close(pidfd)


def watch(root: str, runtime: str, identity: str, pid: int, schedule: str) -> NoReturn:
    """The program. CHANNEL is a pidfd of the container's first process."""
    try:
        nothing = os.open("/dev/null", os.O_RDWR)
        arrange((nothing, nothing, nothing, CHANNEL))
        os.setsid()
        os.chdir("/")
        credentials.default_signals()
        credentials.rename("cowl-health")
        over: list[bool] = []
        loop = Loop()
        loop.watch(CHANNEL, lambda: over.append(True))
        checks = HealthChecks(loop, Task(root, runtime, identity, pid=pid, health=schedule))
        give_back()
        loop.run(lambda: bool(over))
        checks.close()
    finally:
        os._exit(0)
