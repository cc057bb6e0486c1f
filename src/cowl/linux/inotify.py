"""Changes in a directory as something to wait for: inotify(7)."""

from __future__ import annotations

import os
import select

from cowl.linux.syscalls import call

_CLOEXEC, _NONBLOCK = 0o2000000, 0o4000
_MODIFY, _MOVED_TO, _CREATE, _DELETE_SELF = 0x2, 0x80, 0x100, 0x400  # IN_*
_EVENTS = 1 << 16


class DirectoryWatch:
    """Wakes up when a file in a directory is written, made or renamed. Raises OSError; close it."""

    def __init__(self, path: str) -> None:
        self._fd = -1
        self._fd = call("inotify_init1", _CLOEXEC | _NONBLOCK)
        try:
            mask = _MODIFY | _MOVED_TO | _CREATE | _DELETE_SELF
            call("inotify_add_watch", self._fd, os.fsencode(path) + b"\0", mask)
        except BaseException:
            self.close()
            raise

    def wait(self, seconds: float) -> None:
        """Returns after a change, or at the latest after so many seconds."""
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        if poller.poll(int(seconds * 1000)):
            self.drain()

    def fileno(self) -> int:
        """A descriptor that becomes readable after a change, until `drain`; for poll(2)."""
        return self._fd

    def drain(self) -> None:
        """Forgets the changes so far. There must be some."""
        os.read(self._fd, _EVENTS)

    def close(self) -> None:
        """Lets go of it. Idempotent; done by itself when nobody has it any more."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close
