"""The ledger of a stack of layers: what each adds, and which later one hides it. Pure: listings to figures.

Bytes are apparent, each inode once, directories and whiteouts nothing, as in a layer's SIZE. What all
layers add, less what is shadowed, is what the merged tree shows. An inode with several names is shadowed
when the last of them is.
"""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    from cowl.layer.listing import File, Listing

    Inode: TypeAlias = "tuple[int, int]"  # position of the layer, inode in it


class Amount(Value):
    """So many bytes in so many files (inodes)."""

    size_bytes: int = 0
    files: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.size_bytes + other.size_bytes, self.files + other.files)


class Shadow(Value):
    """A file of the layer `lower` that the layer `upper` hides.

    `removed`: by a whiteout or a directory, not by another file.
    """

    path: str
    lower: int
    upper: int
    size_bytes: int
    removed: bool


class Rewrite(Value):
    """A regular file that the layer `upper` has anew over one of the same length in `lower`."""

    path: str
    lower: int
    upper: int
    size_bytes: int


class Ledger(Value):
    """added: of each layer, bottom first; visible: (path, layer, bytes) of what the merged tree shows."""

    added: tuple[Amount, ...]
    shadows: tuple[Shadow, ...]
    rewrites: tuple[Rewrite, ...]
    visible: tuple[tuple[str, int, int], ...]

    @property
    def visible_bytes(self) -> int:
        """Of the merged tree, each inode once."""
        return sum(size for _, _, size in self.visible)


def make_ledger(listings: Sequence[Listing]) -> Ledger:
    """The ledger of layers, bottom first."""
    stack = _Stack()
    for position, listing in enumerate(listings):
        stack.put(position, listing)
    return stack.ledger([_amount(listing.files) for listing in listings])


def _amount(files: Mapping[str, File]) -> Amount:
    sizes = {file.inode: file.size for file in files.values()}
    return Amount(sum(sizes.values()), len(sizes))


class _Stack:
    """The merged tree so far: `_files` and `_children` hold what is visible."""

    def __init__(self) -> None:
        self._files: dict[str, Inode] = {}
        self._children: dict[str, set[str]] = {"": set()}
        self._names: dict[Inode, int] = {}
        self._sizes: dict[Inode, int] = {}
        self._regular: set[Inode] = set()
        self._shadows: list[Shadow] = []
        self._rewrites: list[Rewrite] = []

    def put(self, position: int, listing: Listing) -> None:
        """Lays one more layer on top."""
        for path in listing.opaque:
            for child in list(self._children.get(path, ())):
                self._remove(f"{path}/{child}", position, removed=True)
        for path in listing.whiteouts:
            self._remove(path, position, removed=True)
        for path in sorted(listing.directories):
            if path in self._files:
                self._remove(path, position, removed=True)
            self._attach(path)
            self._children.setdefault(path, set())
        fresh: list[tuple[str, File]] = []
        seen: set[int] = set()
        for path, file in listing.files.items():
            self._replace(path, file, position, first=file.inode not in seen)
            seen.add(file.inode)
            fresh.append((path, file))
        for path, file in fresh:
            self._add(path, file, position)

    def _replace(self, path: str, file: File, position: int, *, first: bool) -> None:
        old = self._files.get(path)
        if old is None:
            self._remove(path, position, removed=False)
            return
        same = file.regular and old in self._regular and file.size == self._sizes[old] > 0
        if same and first:
            self._rewrites.append(Rewrite(path, old[0], position, file.size))
        self._remove(path, position, removed=False)

    def _add(self, path: str, file: File, position: int) -> None:
        inode = (position, file.inode)
        self._attach(path)
        self._files[path] = inode
        self._names[inode] = self._names.get(inode, 0) + 1
        self._sizes[inode] = file.size
        if file.regular:
            self._regular.add(inode)

    def _attach(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        if parent not in self._children:
            self._attach(parent)
            self._children[parent] = set()
        self._children[parent].add(name)

    def _remove(self, path: str, position: int, *, removed: bool) -> None:
        """Takes a file, or a directory with all that is in it, out of the tree."""
        parent, _, name = path.rpartition("/")
        self._children.get(parent, set()).discard(name)
        pending = [path]
        while pending:
            each = pending.pop()
            pending += [f"{each}/{child}" for child in self._children.pop(each, ())]
            inode = self._files.pop(each, None)
            if inode is not None:
                self._names[inode] -= 1
                if not self._names[inode]:
                    self._shadows.append(Shadow(each, inode[0], position, self._sizes[inode], removed))

    def ledger(self, added: list[Amount]) -> Ledger:
        return Ledger(tuple(added), tuple(self._shadows), tuple(self._rewrites), tuple(self._visible()))

    def _visible(self) -> Iterator[tuple[str, int, int]]:
        seen: set[Inode] = set()
        for path, inode in self._files.items():
            if inode not in seen:
                seen.add(inode)
                yield path, inode[0], self._sizes[inode]
