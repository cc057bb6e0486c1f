"""Open descriptors: moved out of the way, put in place, closed, checked."""

from __future__ import annotations

import os
import stat

from cowl.linux.syscalls import call

_RANGE_CLOEXEC = 4  # CLOSE_RANGE_CLOEXEC
_DUPLICATE_CLOEXEC = 1030  # F_DUPFD_CLOEXEC


def duplicate(fd: int, minimum: int) -> int:
    """A close-on-exec copy of `fd` with a number of at least `minimum`."""
    return call("fcntl", fd, _DUPLICATE_CLOEXEC, minimum)


def above_standard(fd: int) -> int:
    """The same open file under a number above 2: a caller may have closed its standard streams."""
    if fd > 2:
        return fd
    moved = duplicate(fd, 3)
    os.close(fd)
    return moved


def arrange(fds: tuple[int, ...]) -> None:
    """Makes `fds` the descriptors 0, 1, 2, ... of this process and closes all others.

    The first three survive execve, the rest does not.
    """
    copies = [duplicate(fd, len(fds)) for fd in fds]
    for number, copy in enumerate(copies):
        os.dup2(copy, number, inheritable=number < 3)
    close_from(len(fds))


def close_from(first: int) -> None:
    """Closes every descriptor from `first` on."""
    call("close_range", first, 0xFFFFFFFF, 0)


def seal_from(first: int) -> None:
    """Has execve close every descriptor from `first` on."""
    call("close_range", first, 0xFFFFFFFF, _RANGE_CLOEXEC)


def open_device(path: str, major: int, minor: int) -> int:
    """An O_PATH descriptor of a character device that really is that one. Raises OSError."""
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    status = os.fstat(fd)
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != os.makedev(major, minor):
        os.close(fd)
        raise OSError(0, f"{path} is not the character device {major}:{minor}")
    return fd
