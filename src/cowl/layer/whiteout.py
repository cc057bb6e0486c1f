"""Whiteouts: how a layer says that a name below it is gone, on disk and in a tar.

On disk as overlayfs wants it (Documentation/filesystems/overlayfs.rst, mounted with `userxattr`); in a
tar as OCI image-spec 1.1 layer.md "Whiteouts" says.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFCHR, S_ISCHR

from cowl.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Where: TypeAlias = "int | str | bytes"

PREFIX = b".wh."
RESERVED = b".wh..wh."  # aufs's own names: .wh..wh.plnk, .wh..wh.aufs, .wh..wh.orph
OPAQUE = b".wh..wh..opq"

OPAQUE_XATTR = "user.overlay.opaque"
OVERLAY_XATTRS = "user.overlay."

_ABSENT = (errno.ENODATA, errno.ENOTSUP, errno.EPERM)


class NoWhiteouts(Unavailable):
    """The kernel, or what confines this process, lets it make no whiteouts."""

    def __init__(self) -> None:
        super().__init__(
            "can't make a whiteout (a character device 0:0): operation not permitted",
            hint="Linux 5.8 lets every user make them; a container or seccomp filter around cowl may not",
        )


def is_whiteout(status: os.stat_result) -> bool:
    """Whether it is the node that hides its name in the layers below."""
    return S_ISCHR(status.st_mode) and status.st_rdev == 0


def make_whiteout(name: str | bytes, dir_fd: int | None = None) -> None:
    """Makes the node; any user may since Linux 5.8. Raises NoWhiteouts, OSError (EEXIST among others)."""
    try:
        os.mknod(name, S_IFCHR, 0, dir_fd=dir_fd)
    except PermissionError as error:
        raise NoWhiteouts from error


def is_opaque(directory: Where) -> bool:
    """Whether a directory (path or open fd, links not followed) hides what lies below it."""
    try:
        if isinstance(directory, int):
            return os.getxattr(directory, OPAQUE_XATTR) == b"y"
        return os.getxattr(directory, OPAQUE_XATTR, follow_symlinks=False) == b"y"
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise


def make_opaque(where: int | str) -> None:
    """Marks a directory, open or at a path that nobody else changes. Raises OSError."""
    os.setxattr(where, OPAQUE_XATTR, b"y")
