"""Extended attributes that a layer may carry: `user.*`, and of `security.*` only file capabilities."""

from __future__ import annotations

import errno
import os

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from cowl.layer.whiteout import Where

    Attributes: TypeAlias = "tuple[tuple[bytes, bytes], ...]"

CAPABILITY = b"security.capability"
_USER = b"user."
_PRIVATE = (b"user.overlay.", b"user.containers.")
_TOO_BIG = (errno.E2BIG, errno.ERANGE)
_SURE_TO_FIT = 2048  # ext4 says "no space" for what goes beyond a block
_V2_BYTES, _REVISION_2, _REVISION_3 = 20, 0x02, 0x03  # struct vfs_cap_data, linux/capability.h


class AttributeTooBig(Invalid):
    """The file system has no room in a file for the xattr `name` of `size_bytes`."""

    def __init__(self, name: bytes, size_bytes: int) -> None:
        self.name, self.size_bytes = name.decode("utf-8", "backslashreplace"), size_bytes
        super().__init__(f"the extended attribute {self.name[:80]!r} of {size_bytes} bytes is too big here")


def kept(name: bytes) -> bool:
    """Whether an xattr of this name is part of a layer; the rest is dropped without a word."""
    if name == CAPABILITY:
        return True
    return name.startswith(_USER) and not name.startswith(_PRIVATE)


def portable(name: bytes, value: bytes) -> bytes:
    """The value as it means the same everywhere: capabilities bound to a user namespace are unbound."""
    if name == CAPABILITY and len(value) > _V2_BYTES and value[3] == _REVISION_3:
        return value[:3] + bytes((_REVISION_2,)) + value[4:_V2_BYTES]
    return value


def write(fd: int, attributes: Iterable[tuple[bytes, bytes]], *, privileged: bool) -> None:
    """Sets those that layers keep on an open file or directory. Without privilege no capabilities.

    Where the file system has none they are left out, as Docker does. Raises AttributeTooBig, OSError.
    """
    for name, value in attributes:
        if not kept(name) or (name == CAPABILITY and not privileged):
            continue
        try:
            os.setxattr(fd, name, portable(name, value))
        except OSError as error:
            if error.errno in _TOO_BIG or (error.errno == errno.ENOSPC and len(value) > _SURE_TO_FIT):
                raise AttributeTooBig(name, len(value)) from error
            if error.errno != errno.ENOTSUP:
                raise


def read(where: Where) -> Attributes:
    """Those that layers keep, sorted by name, of a path (not followed) or an open fd. Raises OSError."""
    follow = isinstance(where, int)
    try:
        names = os.listxattr(where, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return ()
        raise
    if not names:
        return ()
    raw = sorted(name for name in map(os.fsencode, names) if kept(name))
    return tuple((name, portable(name, os.getxattr(where, name, follow_symlinks=follow))) for name in raw)
