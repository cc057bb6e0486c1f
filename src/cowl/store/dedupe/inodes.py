"""Inodes of layers: what a dedupe knows of each file that may have a twin."""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Place: TypeAlias = "tuple[str, bytes, bytes]"  # layer key, directory in its tree, name
    Names: TypeAlias = "frozenset[tuple[bytes, bytes]]"


class Inode(Value):
    """A regular file of one or more layers, with all its names: the file system knows no others.

    links      st_nlink, ctime_ns: what tells that nobody touched it since it was looked at
    names      oldest layer first, then by path
    """

    number: int
    size: int
    blocks: int
    links: int
    ctime_ns: int
    names: tuple[Place, ...]

    @property
    def layers(self) -> dict[str, Names]:
        """Its paths in each of its layers."""
        found: dict[str, set[tuple[bytes, bytes]]] = {}
        for layer, directory, name in self.names:
            found.setdefault(layer, set()).add((directory, name))
        return {layer: frozenset(paths) for layer, paths in found.items()}


class Merge(Value):
    """`old` is to go, `kept` to take over its names: the two are the same file in all that can be seen."""

    kept: Inode
    old: Inode
