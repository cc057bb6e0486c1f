"""Listings: what one layer's tree holds, by path, read once from disk."""

from __future__ import annotations

from stat import S_ISDIR, S_ISREG

from cowl.layer.walk import walk
from cowl.layer.whiteout import is_opaque, is_whiteout
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class File:
    """A name of something that is no directory. `inode` tells which names are one and the same file."""

    __slots__ = ("inode", "regular", "size")

    def __init__(self, inode: int, size: int, regular: bool = True) -> None:
        self.inode = inode
        self.size = size
        self.regular = regular


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
            files[path] = File(status.st_ino, status.st_size, S_ISREG(status.st_mode))
    return Listing(files, frozenset(directories), frozenset(whiteouts), frozenset(opaque))
