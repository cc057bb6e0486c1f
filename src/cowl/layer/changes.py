"""What a writable tree changes in the layers below it, as `docker diff` tells it."""

from __future__ import annotations

import os
from stat import S_ISDIR

from cowl.layer.view import MergedView
from cowl.layer.walk import by_name, walk
from cowl.layer.whiteout import is_opaque, is_whiteout
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cowl.layer.view import Node
    from cowl.layer.walk import Frame

ADDED, CHANGED, DELETED = "A", "C", "D"


class Change(Value):
    """One path of the image and what became of it: kind is ADDED, CHANGED or DELETED."""

    kind: str
    path: str


def changes(upper: str, below: MergedView) -> tuple[Change, ...]:
    """The changes that the tree `upper` (diff form) makes in `below`, sorted by path.

    A directory that is in both counts as changed: overlayfs copies one up only for a change in it.
    Raises OSError.
    """
    found: list[Change] = []
    for parent, name, status, inside in walk(upper, by_name):
        path = f"/{parent.path}/{name}" if parent.path else f"/{name}"
        known = below.lookup(path, follow=False) is not None
        if is_whiteout(status):
            if known:
                found.append(Change(DELETED, path))
            continue
        found.append(Change(CHANGED if known else ADDED, path))
        if known and inside and S_ISDIR(status.st_mode):
            found.extend(_hidden(path, inside, below))
    return tuple(sorted(found, key=lambda change: os.fsencode(change.path)))


def merged_changes(trees: Sequence[str], below: MergedView) -> tuple[Change, ...]:
    """The changes that several trees, topmost first, make together in `below`, sorted by path.

    What one of them made and another removed is no change. Raises OSError.
    """
    if len(trees) == 1:
        return changes(trees[0], below)
    full = MergedView([*trees, *below.trees])
    found = {path: _kind(path, full, below) for tree in trees for path in _touched(tree, below)}
    kept = (Change(kind, path) for path, kind in found.items() if kind)
    return tuple(sorted(kept, key=lambda change: os.fsencode(change.path)))


def _touched(tree: str, below: MergedView) -> Iterator[str]:
    """Every path that a tree speaks of, and what its opaque directories hide."""
    for parent, name, status, inside in walk(tree, None):
        path = f"/{parent.path}/{name}" if parent.path else f"/{name}"
        yield path
        if inside and S_ISDIR(status.st_mode):
            yield from (change.path for change in _hidden(path, inside, below))


def _kind(path: str, full: MergedView, below: MergedView) -> str:
    """What became of a path of `below`; "" if nothing, or if it went with its directory."""
    known = _at(below, path) is not None
    if _at(full, path) is not None:
        return CHANGED if known else ADDED
    parent = _at(full, path.rpartition("/")[0] or "/")
    return DELETED if known and parent is not None and parent.is_directory else ""


def _at(view: MergedView, path: str) -> Node | None:
    """What stands at a path itself, not where a link on the way would lead."""
    node = view.lookup(path, follow=False)
    return node if node is not None and node.path == path else None


def _hidden(path: str, inside: Frame, below: MergedView) -> Iterator[Change]:
    """What an opaque directory hides without having anything of that name itself."""
    node = below.lookup(path, follow=False)
    if node is None or not node.is_directory or not is_opaque(inside.fd):
        return
    kept = {name for name, _ in inside.entries}
    for child in below.children(node):
        if child.path.rpartition("/")[2] not in kept:
            yield Change(DELETED, child.path)
