"""When a container's health is looked at. Each probe is a process of its own: its memory is not ours."""

from __future__ import annotations

import os
import time

from cowl.linux import credentials
from cowl.linux.process import send_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.attendance import Task
    from cowl.container.loop import Loop

_KILL = 9
_PATIENCE = 60.0  # seconds beyond its timeout that a probe may take to start and to be recorded


class HealthChecks:
    """The probes of a running container, one after another: Docker's intervals are from end to beginning."""

    def __init__(self, loop: Loop, task: Task) -> None:
        """`task.health` is what `Health.schedule` gives."""
        self._loop = loop
        self._task = task
        times = [int(word) / 1000 for word in task.health.split()]
        self._interval, self._start_interval, self._start_period, self._timeout = times
        self._began = time.monotonic()
        self._settled = False  # it was healthy once
        self._pid = self._pidfd = self._patience = -1
        self._wait()

    def _wait(self) -> None:
        starting = not self._settled and time.monotonic() - self._began < self._start_period
        self._loop.later(self._start_interval if starting else self._interval, self._probe)

    def _probe(self) -> None:
        try:
            self._pid = os.fork()
        except OSError:  # no room for one more process just now
            self._wait()
            return
        if self._pid == 0:
            _become_probe(self._task)
        self._pidfd = os.pidfd_open(self._pid)
        self._loop.watch(self._pidfd, self._heed)
        self._patience = self._loop.later(self._timeout + _PATIENCE, self._kill)

    def _heed(self) -> None:
        """The probe has ended: 0 is healthy."""
        if self._bury() == 0:
            self._settled = True
        self._wait()

    def _kill(self) -> None:
        send_signal(self._pidfd, _KILL)

    def _bury(self) -> int:
        self._loop.forget(self._pidfd)
        self._loop.cancel(self._patience)
        os.close(self._pidfd)
        status = os.waitpid(self._pid, 0)[1]
        self._pid = self._pidfd = -1
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """Ends a probe that runs: the container has ended."""
        if self._pid > 0:
            self._kill()
            self._bury()


def _become_probe(task: Task) -> None:
    """In the child: the program of `health_probe`, which has nothing that is open here."""
    try:
        from cowl.runtime.interpreter_start import become

        credentials.default_signals()
        code = (
            "import sys; sys.path.append(sys.argv[1]);"
            " from cowl.container.health_probe import probe; probe(*sys.argv[2:])"
        )
        become(code, [task.root, task.runtime, task.id, str(task.pid)])
    finally:
        os._exit(1)
