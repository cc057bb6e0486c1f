"""The memory of a thread whose system call is answered here, proc_pid_mem(5)."""

from __future__ import annotations

import errno
import os

PATH_LIMIT = 4096  # PATH_MAX, its null byte included


class CallerMemory:
    """Reads and writes what the call's pointers point at. A context manager.

    After it is made, check that the call still waits: the pid may have been reused before, but no longer
    matters after. Raises OSError with what the call should fail with.
    """

    def __init__(self, proc_fd: int, pid: int) -> None:
        try:
            self._fd = os.open(f"{pid}/mem", os.O_RDWR | os.O_CLOEXEC, dir_fd=proc_fd)
        except OSError:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM)) from None

    def __enter__(self) -> CallerMemory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Once."""
        os.close(self._fd)

    def read(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises OSError EFAULT."""
        data = self._read_some(address, size)
        if len(data) != size:
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
        return data

    def read_string(self, address: int) -> bytes:
        """The path at `address`. Raises OSError: EFAULT, ENAMETOOLONG."""
        data = self._read_some(address, PATH_LIMIT)
        text, ended, _ = data.partition(b"\0")
        if not ended:
            reason = errno.ENAMETOOLONG if len(data) == PATH_LIMIT else errno.EFAULT
            raise OSError(reason, os.strerror(reason))
        return text

    def write(self, address: int, data: bytes) -> None:
        """All of `data`. Raises OSError EFAULT."""
        try:
            written = os.pwrite(self._fd, data, address) if 0 < address < 1 << 63 else 0
        except OSError:
            written = 0
        if written != len(data):
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))

    def _read_some(self, address: int, size: int) -> bytes:
        """As much as there is before the memory ends."""
        if not 0 < address < 1 << 63:
            return b""
        try:
            return os.pread(self._fd, size, address)
        except OSError:
            return b""
