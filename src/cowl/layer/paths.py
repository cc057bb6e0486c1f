"""Names inside a layer: opened without following any link."""

from __future__ import annotations

import errno
import os

from cowl.linux.files import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2

_PARENT = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_tree(path: str | bytes) -> int:
    """An O_PATH fd of a layer's tree."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def open_inside(tree_fd: int, path: str | bytes, flags: int) -> int:
    """Opens `path` (relative, without "..") below `tree_fd`; a symlink anywhere in it is ELOOP.

    Never creates. Returns a cloexec fd. Raises OSError.
    """
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        try:
            return openat2(tree_fd, path or b".", flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
        except OSError as error:
            if error.errno == errno.ENOSYS:
                return _walk(tree_fd, os.fsencode(path), flags)
            if error.errno != errno.EAGAIN:
                raise


def _walk(tree_fd: int, path: bytes, flags: int) -> int:
    """The same without openat2(2): component by component."""
    *parents, last = path.split(b"/")
    here = os.dup(tree_fd)
    try:
        for name in parents:
            deeper = os.open(_plain(name), _PARENT, dir_fd=here)
            os.close(here)
            here = deeper
        return os.open(_plain(last or b"."), flags, dir_fd=here)
    finally:
        os.close(here)


def _plain(name: bytes) -> bytes:
    if name == b"..":
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), "..")
    return name
