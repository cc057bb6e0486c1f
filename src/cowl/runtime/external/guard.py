"""Who kills a process when its keeper is killed: what another runtime has made has no death signal."""

from __future__ import annotations

import os
import select

from cowl.linux import credentials
from cowl.linux.descriptors import arrange
from cowl.linux.process import send_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_KILL = 9


def fork_guard(pidfd: int, kill: Callable[[int], None]) -> int:
    """Forks it: it calls `kill` with a pidfd of the process if this one ends before. Its own pidfd."""
    keeper = os.pidfd_open(os.getpid())
    pid = os.fork()
    if pid:
        os.close(keeper)
        return os.pidfd_open(pid)
    try:
        nothing = os.open("/dev/null", os.O_RDWR)
        arrange((nothing, nothing, nothing, keeper, pidfd))
        credentials.rename("cowl-guard")
        poller = select.poll()
        poller.register(3, select.POLLIN)
        poller.register(4, select.POLLIN)
        if 4 not in dict(poller.poll()):
            kill(4)
    finally:
        os._exit(0)


def dismiss(guard: int) -> int:
    """Ends and buries one that is no longer needed; -1."""
    if guard >= 0:
        send_signal(guard, _KILL)
        os.waitid(os.P_PIDFD, guard, os.WEXITED)
        os.close(guard)
    return -1
