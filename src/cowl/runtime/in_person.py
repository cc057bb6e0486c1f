"""A container whose starter is its keeper too: for a process that has nothing else to do, a monitor."""

from __future__ import annotations

import os

from cowl.linux.credentials import default_signals
from cowl.linux.descriptors import arrange
from cowl.linux.process import ProcessId, send_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.runtime.external.job import ExternalExec, ExternalJob
    from cowl.runtime.making import Job
    from cowl.runtime.stdio import Stdio

_KILL = 9


class Kept:
    """A started child of ours. It dies with us, unless it changes its user; who knows of that sees to it.

    process   its identity; pidfd: a descriptor of it, close-on-exec like the others
    console   the master end of its terminal, or -1
    listener  where calls arrive that one id can't do, for `supervise`; or -1
    Its cgroup, if the spec names one, is removed by who sees its end: `runtime.cgroup.release`.
    """

    def __init__(
        self, process: ProcessId, pidfd: int, console: int, listener: int, clear_away: Callable[[], bool]
    ) -> None:
        self.process = process
        self._clear_away = clear_away
        self.pidfd = pidfd
        self.console = console
        self.listener = listener

    def close(self) -> None:
        """Kills and buries it."""
        send_signal(self.pidfd, _KILL)
        os.waitpid(self.process.pid, 0)
        self._clear_away()
        for fd in (self.pidfd, self.console, self.listener):
            if fd >= 0:
                os.close(fd)


def start_in_person(
    job: Job | ExternalJob | ExternalExec,
    stdio: Stdio,
    on_namespaces: Callable[[int], None] | None = None,
) -> Kept:
    """Starts it as a child of this single-threaded process, whose 0, 1 and 2 are /dev/null afterwards.

    Raises as Runtime.start.
    """
    for number, fd in enumerate((stdio.stdin, stdio.stdout, stdio.stderr)):
        os.dup2(fd, number)
    making = job.making(_settle, on_namespaces)
    try:
        process = making.make()
    finally:
        nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for number in range(3):
            os.dup2(nothing, number)
        os.close(nothing)
    return Kept(process, making.pidfd, making.console, making.listener, making.clear_away)


def _settle(ends: tuple[int, int]) -> tuple[int, int]:
    """In the child: of what is ours it keeps its streams and the channel, and none of our signals."""
    ours, theirs = ends
    arrange((0, 1, 2, theirs, ours))
    default_signals()
    return 4, 3
