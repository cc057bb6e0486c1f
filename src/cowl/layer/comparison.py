"""Comparison: two merged trees path by path, and what differs. What one layer gives both is not read.

Bytes are apparent, each inode once, under the first of its names; so the differences of all changes add up
to the difference of the trees. Directories that differ in their times alone are left out: a file that
comes or goes changes these.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFMT, S_ISBLK, S_ISCHR, S_ISDIR, S_ISLNK, S_ISREG

from cowl.layer import attributes
from cowl.layer.ownership import for_euid
from cowl.layer.paths import open_inside, open_tree
from cowl.layer.rewrites import equal_bytes
from cowl.layer.view import DIRECTORY, FILE, kind_of
from cowl.layer.whiteout import is_opaque, is_whiteout
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

    from cowl.layer.owners import Owners
    from cowl.layer.stacked import Stacked

ADDED, CHANGED, DELETED = "A", "C", "D"
WHITEOUT = "whiteout"
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)


class PathChange(Value):
    """A path that differs.

    kind    ADDED, CHANGED, DELETED, as `docker diff`
    node    "file", "directory", "symlink", "fifo", "socket", "device" or "whiteout" (of a lone layer): what
            is there afterwards, or was there
    what    of CHANGED: "type", "content", "mode", "owner", "xattr", "time"; "links" when it only has other
            names that share its bytes, or no longer has; "opaque" of a directory of a lone layer
    """

    kind: str
    path: str
    node: str
    before_bytes: int
    after_bytes: int
    what: tuple[str, ...] = ()

    @property
    def delta_bytes(self) -> int:
        """What it adds; negative when it takes away."""
        return self.after_bytes - self.before_bytes


class Side:
    """One of two merged trees. `trees` of its layers by position, `whiteouts` of a lone layer."""

    def __init__(self, stacked: Stacked, trees: Sequence[str], whiteouts: Set[str] = frozenset()) -> None:
        self._trees = trees
        self._files = stacked.files
        self._directories = {"": len(trees) - 1, **stacked.directories} if trees else {}
        self._whiteouts = whiteouts
        self._firsts = {path for path, inode in stacked.visible if inode.names > 1}
        self.alone = len(trees) == 1
        self.paths: Set[str] = self._files.keys() | self._directories.keys() | whiteouts

    def bytes_of(self, path: str) -> int:
        """The bytes that are counted under this name."""
        inode = self._files.get(path)
        if inode is None or (inode.names > 1 and path not in self._firsts):
            return 0
        return inode.size

    def origin(self, path: str) -> tuple[str, int]:
        """(the tree that it comes from, its st_ino there); 0 of what is no file."""
        inode = self._files.get(path)
        if inode is not None:
            return self._trees[inode.layer], inode.number
        return self._trees[self._directories.get(path, -1)], 0

    def open(self, path: str) -> int:
        """An fd of what is there: readable of a file or directory, else O_PATH. Raises OSError."""
        inode = self._files.get(path)
        plain = inode.regular if inode is not None else path in self._directories
        tree = open_tree(self.origin(path)[0])
        try:
            return open_inside(tree, path, os.O_RDONLY | os.O_NONBLOCK if plain else os.O_PATH)
        finally:
            os.close(tree)

    def node(self, path: str) -> str:
        """The word for what is there; of what is gone by now "file"."""
        if path in self._directories:
            return DIRECTORY
        if path in self._whiteouts:
            return WHITEOUT
        if self._files[path].regular:
            return FILE
        try:
            fd = self.open(path)
        except OSError:
            return FILE
        try:
            return kind_of(os.fstat(fd).st_mode)
        finally:
            os.close(fd)


def compare(before: Side, after: Side) -> Iterator[PathChange]:
    """What differs, in the order of the paths. What goes while a live container is read is left out."""
    owners = for_euid(os.geteuid())
    for path in sorted(before.paths | after.paths):
        if path not in after.paths:
            yield PathChange(DELETED, f"/{path}", before.node(path), before.bytes_of(path), 0)
        elif path not in before.paths:
            yield PathChange(ADDED, f"/{path}", after.node(path), 0, after.bytes_of(path))
        else:
            what = _differences(path, before, after, owners)
            if what:
                sizes = before.bytes_of(path), after.bytes_of(path)
                yield PathChange(CHANGED, f"/{path}", after.node(path), *sizes, what)


def _differences(path: str, before: Side, after: Side, owners: Owners) -> tuple[str, ...]:
    what: tuple[str, ...] = ()
    if before.origin(path) != after.origin(path):
        try:
            what = _opened(path, before, after, owners)
        except OSError as error:
            what = () if error.errno in _GONE else ("content",)  # what can't be read may be anything
    if not what and before.bytes_of(path) != after.bytes_of(path):
        return ("links",)
    return what


def _opened(path: str, before: Side, after: Side, owners: Owners) -> tuple[str, ...]:
    one = before.open(path)
    try:
        two = after.open(path)
        try:
            return tuple(_told(one, two, owners, alone=before.alone and after.alone))
        finally:
            os.close(two)
    finally:
        os.close(one)


def _told(one: int, two: int, owners: Owners, *, alone: bool) -> Iterator[str]:
    old, new = os.fstat(one), os.fstat(two)
    if S_IFMT(old.st_mode) != S_IFMT(new.st_mode) or is_whiteout(old) != is_whiteout(new):
        yield "type"
        return
    if (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino) or is_whiteout(old):
        return
    plain = S_ISREG(old.st_mode) or S_ISDIR(old.st_mode)
    if not _same_content(one, old, two, new):
        yield "content"
    before, after = owners.read(one, old), owners.read(two, new)
    if before[2] != after[2]:
        yield "mode"
    if before[:2] != after[:2]:
        yield "owner"
    if plain and attributes.read(one) != attributes.read(two):
        yield "xattr"
    if S_ISDIR(old.st_mode):
        if alone and is_opaque(one) != is_opaque(two):
            yield "opaque"
    elif old.st_mtime_ns != new.st_mtime_ns:
        yield "time"


def _same_content(one: int, old: os.stat_result, two: int, new: os.stat_result) -> bool:
    if S_ISREG(old.st_mode):
        return old.st_size == new.st_size and equal_bytes(one, two)
    if S_ISLNK(old.st_mode):
        return os.readlink("", dir_fd=one) == os.readlink("", dir_fd=two)
    return old.st_rdev == new.st_rdev if S_ISCHR(old.st_mode) or S_ISBLK(old.st_mode) else True
