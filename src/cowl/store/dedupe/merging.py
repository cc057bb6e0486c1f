"""Which of several identical inodes may become one. Pure.

Two rules, so that nobody can see from inside that a dedupe ran:

- a layer never gets two names of one inode that it did not have before: it would be packed into another
  tar, with a hard link in it. So the k-th copy in one layer goes with the k-th copy in another.
- nor does a stack of layers show one inode under two paths: programs would take the files for hard links
  and copy them as such. Layers that no stack has yet may come into any.
"""

from __future__ import annotations

from cowl.store.dedupe.inodes import Merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cowl.store.database import Database
    from cowl.store.dedupe.inodes import Inode, Names
    from cowl.store.transaction import Transaction

_TRIES = 64  # groups that are looked at for one inode: a class of many copies must not cost its square


class Neighbours:
    """Which layers stand in one stack, of an image, container or snapshot."""

    def __init__(self, rows: Database | Transaction) -> None:
        self._stacks = _digests(rows)
        stacks: dict[int, list[str]] = {}
        for stack, layer in rows.rows("SELECT stack, layer FROM stack_layers"):
            stacks.setdefault(stack, []).append(layer)
        self._near: dict[str, set[str]] = {}
        for layers in stacks.values():
            for layer in layers:
                self._near.setdefault(layer, set()).update(layers)

    def hold(self, rows: Database | Transaction) -> bool:
        """Whether there are still the same stacks."""
        return self._stacks == _digests(rows)

    def meet(self, one: str, other: str) -> bool:
        """Whether a container may see both layers, as it does of every layer and itself."""
        near = self._near.get(one)
        return near is None or other in near or other not in self._near


def _digests(rows: Database | Transaction) -> tuple[object, ...] | None:
    return rows.row("SELECT group_concat(digest) FROM stacks")


class Group:
    """Inodes that become one: `kept`. `names`: its paths in each layer when that is done."""

    def __init__(self, kept: Inode) -> None:
        self.kept = kept
        self.names: dict[str, Names] = dict(kept.layers)
        self._everywhere: Names | None = _only(self.names)

    def fits(self, layers: Mapping[str, Names], neighbours: Neighbours) -> bool:
        """Whether an inode with these names may join."""
        if self._everywhere is not None and self._everywhere == _only(layers):
            return True
        return not any(
            mine != names and neighbours.meet(layer, other)
            for layer, names in layers.items()
            for other, mine in self.names.items()
        )

    def take(self, layers: Mapping[str, Names]) -> None:
        """The names of one more inode."""
        self.names.update(layers)
        if self._everywhere != _only(layers):
            self._everywhere = None


def _only(layers: Mapping[str, Names]) -> Names | None:
    """The paths that all these layers have alike, or None."""
    first, *rest = layers.values()
    return first if all(names == first for names in rest) else None


def merges(inodes: Sequence[Inode], neighbours: Neighbours) -> list[Merge]:
    """What to do about inodes that are all the same file, the oldest layer's first.

    Those with most names are kept, so that few names move. An inode with several names in one layer is
    kept in any case: its names would have to move at one moment.
    """
    return _Merging(neighbours).run(inodes)


class _Merging:
    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._groups: list[Group] = []
        self._by_names: dict[Names, list[Group]] = {}
        self._next: dict[str, int] = {}  # of each layer: the group that its next copy goes to

    def run(self, inodes: Sequence[Inode]) -> list[Merge]:
        found = []
        for inode in sorted(inodes, key=lambda each: (not _is_linked(each.layers), -each.links)):
            layers = inode.layers
            group = None if _is_linked(layers) else self._find(layers)
            if group is None:
                self._add(Group(inode), layers)
            else:
                group.take(layers)
                found.append(Merge(group.kept, inode))
        return found

    def _add(self, group: Group, layers: Mapping[str, Names]) -> None:
        self._groups.append(group)
        for names in set(layers.values()):
            self._by_names.setdefault(names, []).append(group)

    def _find(self, layers: Mapping[str, Names]) -> Group | None:
        """The group with the same path, if there is one, else the next that this layer has no copy in."""
        layer, names = next(iter(layers.items()))
        for group in self._by_names.get(names, ())[:_TRIES]:
            if group.fits(layers, self._neighbours):
                return group
        start = self._next.get(layer, 0)
        for at in range(start, min(start + _TRIES, len(self._groups))):
            if self._groups[at].fits(layers, self._neighbours):
                self._next[layer] = at + 1
                return self._groups[at]
        return None


def _is_linked(layers: Mapping[str, Names]) -> bool:
    return any(len(names) > 1 for names in layers.values())
