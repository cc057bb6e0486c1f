"""Listings: what one layer's tree holds, by path, read once from disk."""

from __future__ import annotations

from stat import S_ISDIR, S_ISREG

from cowl.layer.walk import walk
from cowl.layer.whiteout import is_opaque, is_whiteout
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_BLOCK = 512  # the unit of st_blocks, stat(2)


class File:
    """A name of something that is no directory. `inode` tells which names are one and the same file.

    `size` is apparent, `allocated` the bytes of its blocks on disk.
    """

    __slots__ = ("allocated", "inode", "regular", "size")

    def __init__(self, inode: int, size: int, regular: bool = True, allocated: int = 0) -> None:
        self.inode = inode
        self.size = size
        self.regular = regular
        self.allocated = allocated


class Listing(Value):
    """The tree of a layer; paths are relative to its root.

    files        every name of what is neither directory nor whiteout
    directories  the root apart
    whiteouts    names that are gone
    opaque       directories that hide what lies below them in other layers
    """

    files: Mapping[str, File]
    directories: frozenset[str] = frozenset()
    whiteouts: frozenset[str] = frozenset()
    opaque: frozenset[str] = frozenset()


def read_listing(diff: str) -> Listing:
    """The listing of the tree `diff` (overlayfs form). Raises OSError."""
    files: dict[str, File] = {}
    directories, whiteouts, opaque = set(), set(), set()
    for parent, name, status, inside in walk(diff, order=None):
        path = f"{parent.path}/{name}" if parent.path else name
        if S_ISDIR(status.st_mode):
            directories.add(path)
            if inside and is_opaque(inside.fd):
                opaque.add(path)
        elif is_whiteout(status):
            whiteouts.add(path)
        else:
            regular, allocated = S_ISREG(status.st_mode), status.st_blocks * _BLOCK
            files[path] = File(status.st_ino, status.st_size, regular, allocated)
    return Listing(files, frozenset(directories), frozenset(whiteouts), frozenset(opaque))
