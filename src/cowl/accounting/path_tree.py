"""The tree of paths by size. Pure: files to the nested rows that are worth showing."""

from __future__ import annotations

from cowl.accounting.explanation import PathBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    Weigh: TypeAlias = "Callable[[Node], int]"

DEEPEST = 100  # levels: a container may nest as deep as it likes, and JSON is written by recursion


class Node:
    """A path while it is counted: bytes and files of two sides."""

    __slots__ = ("children", "directory", "figures")

    def __init__(self, directory: bool) -> None:
        self.directory = directory
        self.figures = [0, 0, 0, 0]  # bytes and files of the first side, then of the second
        self.children: dict[str, Node] = {}


def by_size(node: Node) -> int:
    """The largest first."""
    return node.figures[0]


def by_difference(node: Node) -> int:
    """What differs most between the sides first; what does not is left out."""
    return abs(node.figures[0] - node.figures[2])


def path_tree(
    sides: Iterable[Iterable[tuple[str, int]]], *, depth: int, top: int, weigh: Weigh = by_size
) -> PathBytes:
    """The tree of one or two sides' (path, bytes), `depth` levels below the root with `top` rows in each
    directory.

    0 is no bound, of either (DEEPEST levels at most). What weighs nothing is left out of a difference.
    """
    root = Node(True)
    levels = min(depth or DEEPEST, DEEPEST)
    for side, files in enumerate(sides):
        for path, size in files:
            _count(root, path.split("/", levels), side * 2, size, levels)
    return _rows(root, "/", top, weigh)


def _count(node: Node, parts: list[str], at: int, size: int, depth: int) -> None:
    node.figures[at] += size
    node.figures[at + 1] += 1
    last = len(parts) - 1
    for index, name in enumerate(parts):
        if index == depth:
            return
        child = node.children.get(name)
        if child is None:
            child = node.children[name] = Node(index < last)
        node = child
        node.figures[at] += size
        node.figures[at + 1] += 1


def _rows(node: Node, path: str, top: int, weigh: Weigh) -> PathBytes:
    found = sorted(node.children.items(), key=lambda item: (-weigh(item[1]), item[0]))
    if weigh is by_difference:
        found = [item for item in found if weigh(item[1])]
    shown = found[:top] if top else found
    start = path.rstrip("/")
    size, files, other_size, other_files = node.figures
    return PathBytes(
        path,
        node.directory,
        size,
        files,
        other_size,
        other_files,
        tuple(_rows(child, f"{start}/{name}", top, weigh) for name, child in shown),
        len(found) - len(shown),
        sum(weigh(child) for _, child in found[len(shown) :]),
    )
