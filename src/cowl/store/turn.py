"""Turns: the same thing is made by one thread of one process at a time, the others take over what it made.

A turn is an open file description lock (fcntl(2), F_OFD_SETLK) on one byte of a file in `locks/`. As with
flock(2) it belongs to who opened the file, threads and processes alike, and the kernel lets go of it at
their death; and there is a byte for every key, so nobody waits for a stranger.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

_POLL_SECONDS = 0.05
_LOCK = "hhqqi"  # struct flock: type, whence, start, length, pid (0: the description's)
_DIGITS = 15  # of a key, that say which byte: below 2**60, as far as an offset goes
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class Turn:
    """The turn to make what `key` (hex digits, a hash) names, among all turns of that `kind`.

    `check` is called while waiting and may raise to give up; `waits` once, when it must wait. Only a
    courtesy: without it (a file system that can't lock) two would make the same, and both be right.
    Whoever waits for anything else while it has its turn must know that nobody there waits for a turn.
    """

    def __init__(
        self,
        locks: str,
        kind: str,
        key: str,
        check: Callable[[], object],
        waits: Callable[[], object] = bool,
    ) -> None:
        self._path = f"{locks}/{kind}.lock"  # never unlinked: a waiter would lock what nobody else sees
        self._byte = int(key[:_DIGITS], 16)
        self._check = check
        self._waits = waits
        self._fd = -1

    def __enter__(self) -> Self:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not self._try():
                self._waits()
                self._wait()
        except BaseException:
            self.release()
            raise
        return self

    def _wait(self) -> None:
        while not self._try():
            self._check()
            time.sleep(_POLL_SECONDS)

    def release(self) -> None:
        """Lets others in. To be called before waiting for another turn: else two could wait for each
        other. Idempotent."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            self._set(fd, fcntl.F_UNLCK)  # closing is not enough while a forked child has a copy
        finally:
            os.close(fd)

    def __exit__(self, *_failure: object) -> None:
        self.release()

    def _try(self) -> bool:
        try:
            self._set(self._fd, fcntl.F_WRLCK)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES
            return False
        return True

    def _set(self, fd: int, kind: int) -> None:
        lock = struct.pack(_LOCK, kind, os.SEEK_SET, self._byte, 1, 0)
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, lock)
        except OSError as problem:
            if problem.errno not in _UNSUPPORTED:
                raise
