"""A process that a keeper looks after, in the hand of who started it."""

from __future__ import annotations

import json
import os
import select

from cowl.linux import channel
from cowl.linux.process import ProcessId, send_signal
from cowl.runtime.stdio import LET_GO, ExitStatus, StillRunning

_KILL = 9
_FOREVER = 86400 * 20  # seconds: poll(2) takes hardly more


class EmbeddedProcess:
    """See protocol.Running."""

    def __init__(self, reply: int, process: ProcessId, pidfd: int, console: int) -> None:
        self.process = process
        self.console = console
        self._reply = reply
        self._pidfd = pidfd
        self._status: ExitStatus | None = None
        self._is_ours = True

    def fileno(self) -> int:
        """See protocol.Running."""
        return self._reply

    def wait(self, timeout: float | None = None) -> ExitStatus:
        """See protocol.Running."""
        if self._status is not None:
            return self._status
        if timeout is not None and not _readable(self._reply, timeout):
            raise StillRunning(self.process.pid, timeout)
        # Only looked at, so that every thread that waits finds it.
        data, _ = channel.receive(self._reply, peek=True)
        self._status = ExitStatus(*json.loads(data[1:])) if data else ExitStatus(128 + _KILL, _KILL)
        return self._status

    def signal(self, number: int) -> None:
        """See protocol.Running."""
        if self._pidfd < 0:
            return
        try:
            send_signal(self._pidfd, number)
        except ProcessLookupError:
            pass

    def let_go(self) -> None:
        """See protocol.Running."""
        consoles = () if self.console < 0 else (self.console,)
        try:
            channel.send(self._reply, LET_GO, consoles)
        except BrokenPipeError:
            pass  # it has ended
        self._is_ours = False

    def close(self) -> None:
        """See protocol.Running."""
        if self._reply < 0:
            return
        running = self._status is None and self._is_ours
        if running:
            channel.hang_up(self._reply)  # the keeper sees it and kills
        os.close(self._reply)
        self._reply = -1
        if running:
            _readable(self._pidfd, None)
            self._status = ExitStatus(128 + _KILL, _KILL)
        os.close(self._pidfd)
        self._pidfd = -1
        if self.console >= 0:
            os.close(self.console)
            self.console = -1


def _readable(fd: int, timeout: float | None) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(None if timeout is None else min(max(0, timeout), _FOREVER) * 1000))
