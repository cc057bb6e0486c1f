"""Rewrites: which files a layer has anew only because their mode, owner or time changed."""

from __future__ import annotations

import os

from cowl.layer.ownership import for_euid
from cowl.layer.paths import open_inside, open_tree
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cowl.build.ledger import Rewrite
    from cowl.layer.owners import Owners

_CHUNK = 1 << 20


class CopyUp(Value):
    """A rewrite that changed no byte. cause: "chmod", "chown" or "touch"; owner and mode are the new ones."""

    rewrite: Rewrite
    cause: str
    uid: int
    gid: int
    mode: int


def find_copy_ups(rewrites: Iterable[Rewrite], trees: Sequence[str], budget: int) -> list[CopyUp]:
    """Compares the files, largest first, until `budget` bytes of them have been read.

    `trees` are the layers' trees by position. What can't be read counts as changed.
    """
    owners = for_euid(os.geteuid())
    found = []
    for rewrite in sorted(rewrites, key=lambda each: (-each.size_bytes, each.path)):
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
    lower = _open(trees[rewrite.lower], rewrite.path)
    try:
        upper = _open(trees[rewrite.upper], rewrite.path)
        try:
            if not _equal(lower, upper):
                return None
            before, after = (owners.read(fd, os.fstat(fd)) for fd in (lower, upper))
        finally:
            os.close(upper)
    finally:
        os.close(lower)
    cause = "chown" if before[:2] != after[:2] else "chmod" if before[2] != after[2] else "touch"
    return CopyUp(rewrite, cause, *after)


def _open(tree: str, path: str) -> int:
    fd = open_tree(tree)
    try:
        return open_inside(fd, path, os.O_RDONLY | os.O_NONBLOCK)
    finally:
        os.close(fd)


def _equal(one: int, two: int) -> bool:
    while True:
        left, right = os.read(one, _CHUNK), os.read(two, _CHUNK)
        if left != right:
            return False
        if not left:
            return True
