"""Rewrites: which files a layer has anew without another byte in them, and what else it changed."""

from __future__ import annotations

import os

from cowl.layer import attributes
from cowl.layer.ownership import for_euid
from cowl.layer.paths import open_inside, open_tree
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cowl.layer.owners import Owners
    from cowl.layer.stacked import Rewrite

_CHUNK = 1 << 20


class CopyUp(Value):
    """A rewrite that changed no byte.

    cause  "chown", "chmod", "xattr", "touch" (its time alone) or "same" (nothing at all): the first of
           these that holds; owner and mode are the new ones
    also   the mode of what changed its owner is another one too
    """

    rewrite: Rewrite
    cause: str
    uid: int
    gid: int
    mode: int
    also: bool = False


def find_copy_ups(rewrites: Iterable[Rewrite], trees: Sequence[str], budget: int | None) -> list[CopyUp]:
    """Compares the files, largest first, until `budget` bytes of them have been read (None: all).

    `trees` are the layers' trees by position. What can't be read counts as changed.
    """
    owners = for_euid(os.geteuid())
    found = []
    for rewrite in sorted(rewrites, key=lambda each: (-each.size_bytes, each.path)):
        if budget is not None:
            budget -= rewrite.size_bytes
            if budget < 0:
                break
        try:
            same = _compare(rewrite, trees, owners)
        except OSError:
            continue
        if same is not None:
            found.append(same)
    return found


def _compare(rewrite: Rewrite, trees: Sequence[str], owners: Owners) -> CopyUp | None:
    lower = open_file(trees[rewrite.lower], rewrite.path)
    try:
        upper = open_file(trees[rewrite.upper], rewrite.path)
        try:
            if not equal_bytes(lower, upper):
                return None
            return _told(rewrite, lower, upper, owners)
        finally:
            os.close(upper)
    finally:
        os.close(lower)


def _told(rewrite: Rewrite, lower: int, upper: int, owners: Owners) -> CopyUp:
    old, new = os.fstat(lower), os.fstat(upper)
    before, after = owners.read(lower, old), owners.read(upper, new)
    if before[:2] != after[:2]:
        return CopyUp(rewrite, "chown", *after, before[2] != after[2])
    if before[2] != after[2]:
        return CopyUp(rewrite, "chmod", *after)
    if attributes.read(lower) != attributes.read(upper):
        return CopyUp(rewrite, "xattr", *after)
    return CopyUp(rewrite, "same" if old.st_mtime_ns == new.st_mtime_ns else "touch", *after)


def open_file(tree: str, path: str) -> int:
    """A readable fd of a file of a layer's tree; no link is followed, no FIFO waits. Raises OSError."""
    fd = open_tree(tree)
    try:
        return open_inside(fd, path, os.O_RDONLY | os.O_NONBLOCK)
    finally:
        os.close(fd)


def equal_bytes(one: int, two: int) -> bool:
    """Whether two open files, read from where they stand, hold the same to their ends. Raises OSError."""
    while True:
        left, right = os.read(one, _CHUNK), os.read(two, _CHUNK)
        if left != right:
            return False
        if not left:
            return True
