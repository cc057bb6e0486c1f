"""Contents: what stacks of layers hold, read from disk for accounting. Nothing is written or pinned.

So a layer may be removed by somebody else while it is read: that is told from a damaged store.
"""

from __future__ import annotations

import os

from cowl.errors import Conflict, Corrupt
from cowl.layer.listing import read_listing
from cowl.layer.rewrites import find_copy_ups
from cowl.layer.stacked import Stacked, stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    from cowl.layer.comparison import PathChange as PathChange
    from cowl.layer.comparison import Side
    from cowl.layer.duplicates import Candidate
    from cowl.layer.duplicates import Duplicate as Duplicate
    from cowl.layer.listing import Listing
    from cowl.layer.rewrites import CopyUp as CopyUp
    from cowl.layer.stacked import Amount as Amount
    from cowl.layer.stacked import Inode as Inode
    from cowl.layer.stacked import Shadow as Shadow
    from cowl.store.database import Database

    Stack: TypeAlias = "tuple[Sequence[str], str]"  # keys of layers, bottom first; the tree on top, or ""
    Place: TypeAlias = "tuple[int, str, Inode]"  # index of the contents, path, inode


class RemovedMeanwhile(Conflict):
    """A layer was removed while it was read. Field: key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"layer {key[:12]} was removed while it was read", hint="Ask again.")
        self.key = key


class LayerMissing(Corrupt):
    """A layer has a row and no directory. Field: key."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the directory of layer {key[:12]} is missing from the store",
            hint="`cowl system check` lists what is damaged; pull or build the image again.",
        )
        self.key = key


class Contents:
    """What one stack holds.

    stacked  its layers by position, bottom first; a tree on top is the last
    trees    their directories, likewise
    lone     the listing of a layer that stands alone, so that what it takes away is known
    """

    def __init__(self, stacked: Stacked, trees: Sequence[str], lone: Listing | None = None) -> None:
        self.stacked = stacked
        self.trees = tuple(trees)
        self._lone = lone

    def compare(self, after: Contents) -> Iterator[PathChange]:
        """What is different in `after`, path by path; what both have of one layer is not read."""
        from cowl.layer.comparison import compare

        return compare(self._side(), after._side())

    def _side(self) -> Side:
        from cowl.layer.comparison import Side

        return Side(self.stacked, self.trees, self._lone.whiteouts if self._lone else frozenset())

    def copy_ups(self) -> list[CopyUp]:
        """The files that a layer has again without another byte in them; reads them all."""
        return find_copy_ups(self.stacked.rewrites, self.trees, None)

    def candidates(self) -> Iterator[tuple[str, Inode, Candidate]]:
        """Every regular file that is seen, an inode once."""
        for path, inode in self.stacked.visible:
            if inode.regular:
                told = (self.trees[inode.layer], path, inode.number, inode.size, inode.allocated)
                yield path, inode, told


def read_contents(database: Database, stacks: Sequence[Stack]) -> tuple[Contents, ...]:
    """The contents of some stacks; a layer that is in several is read once.

    Raises RemovedMeanwhile, LayerMissing, OSError.
    """
    counts: dict[str, int] = {}
    for keys, _ in stacks:
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
    kept: dict[str, Listing] = {}

    def listings(keys: Sequence[str], top: str) -> Iterator[Listing]:
        for key in keys:
            listing = kept.get(key) or _read(database, key)
            if counts[key] > 1 or len(keys) == 1:
                kept[key] = listing
            yield listing
        if top:
            yield read_listing(top)

    def contents(keys: Sequence[str], top: str) -> Contents:
        stacked = stack(listings(keys, top))
        trees = [*map(database.root.diff, keys), *([top] if top else ())]
        return Contents(stacked, trees, kept[keys[0]] if len(trees) == len(keys) == 1 else None)

    return tuple(contents(*each) for each in stacks)


def check_there(database: Database, keys: Iterable[str]) -> None:
    """That layers are there still, so that what was read of their files before was theirs.

    Raises RemovedMeanwhile, LayerMissing.
    """
    for key in dict.fromkeys(keys):
        if not database.row("SELECT 1 FROM layers WHERE key = ?", (key,)):
            raise RemovedMeanwhile(key)
        if not os.path.isdir(database.root.diff(key)):
            raise LayerMissing(key)


def _read(database: Database, key: str) -> Listing:
    try:
        return read_listing(database.root.diff(key))
    except FileNotFoundError:
        check_there(database, (key,))
        raise


def find_duplicates(contents: Sequence[Contents]) -> Iterator[tuple[Duplicate, tuple[Place, ...]]]:
    """Files of the same content under several inodes, within one stack or in several.

    What several stacks show of one layer is one file, and counts in the first of them.
    """
    from cowl.layer.duplicates import find_duplicates as find

    places: list[Place] = []
    candidates: list[Candidate] = []
    seen: set[tuple[str, int]] = set()
    for index, each in enumerate(contents):
        for path, inode, told in each.candidates():
            identity = (told[0], inode.number)
            if len(contents) == 1 or identity not in seen:
                places.append((index, path, inode))
                candidates.append(told)
            if len(contents) > 1:
                seen.add(identity)
    for found in find(candidates):
        yield found, tuple(places[at] for at in found.places)
