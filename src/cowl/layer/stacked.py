"""Stacked layers: what each adds, which later one hides it, and what the merged tree shows. Pure.

Bytes are apparent, each inode once, directories and whiteouts nothing, as in a layer's SIZE. What all
layers add, less what is shadowed, is what the merged tree shows. An inode with several names is shadowed
when the last of them is.
"""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Set

    from cowl.layer.listing import File, Listing


class Amount(Value):
    """What one layer holds: bytes (apparent, and blocks on disk) of its files, an inode once; and marks.

    files      inodes
    whiteouts  names that it takes away
    opaque     directories that hide what lies below
    """

    size_bytes: int = 0
    files: int = 0
    allocated_bytes: int = 0
    whiteouts: int = 0
    opaque: int = 0


class Shadow(Value):
    """A file of the layer `lower` that the layer `upper` hides.

    removed    by a whiteout or a directory, not by another file
    at_once    no other layer hid a further name of it: without `upper` all of it would be seen
    """

    path: str
    lower: int
    upper: int
    size_bytes: int
    removed: bool
    allocated_bytes: int = 0
    at_once: bool = True


class Rewrite(Value):
    """A regular file that the layer `upper` has anew over one of the same length in `lower`."""

    path: str
    lower: int
    upper: int
    size_bytes: int


class Inode:
    """A file of a layer: `number` is its st_ino, `names` how many names of it are still to be seen."""

    __slots__ = ("allocated", "hider", "layer", "names", "number", "regular", "scattered", "size")

    def __init__(self, layer: int, file: File) -> None:
        self.layer = layer
        self.number = file.inode
        self.size = file.size
        self.allocated = file.allocated
        self.regular = file.regular
        self.names = 0
        self.hider = -1
        self.scattered = False

    def hide(self, upper: int) -> bool:
        """One name less; whether it was the last."""
        self.scattered |= self.hider not in (-1, upper)
        self.hider = upper
        self.names -= 1
        return not self.names


class Stacked(Value):
    """A stack of layers, by position, bottom first.

    added        what each holds
    shadows      what is paid for and never seen
    files        every name that the merged tree shows of what is no directory
    directories  every directory that it shows, the root apart, to the topmost layer that has it
    """

    added: tuple[Amount, ...]
    shadows: tuple[Shadow, ...]
    rewrites: tuple[Rewrite, ...]
    files: Mapping[str, Inode]
    directories: Mapping[str, int]

    @property
    def visible(self) -> Iterator[tuple[str, Inode]]:
        """The files that the merged tree shows, each inode once, by the first of its names, sorted."""
        seen: set[Inode] = set()
        for path in sorted(self.files):
            inode = self.files[path]
            if inode.names == 1:
                yield path, inode
            elif inode not in seen:
                seen.add(inode)
                yield path, inode

    @property
    def added_bytes(self) -> int:
        """Of all layers: what is paid."""
        return sum(each.size_bytes for each in self.added)

    @property
    def shadowed_bytes(self) -> int:
        """Of all layers: what of it is not seen."""
        return sum(each.size_bytes for each in self.shadows)

    @property
    def visible_bytes(self) -> int:
        """Of the merged tree, each inode once."""
        return sum(inode.size for _, inode in self.visible)


def stack(listings: Iterable[Listing]) -> Stacked:
    """Lays layers on top of each other, bottom first; one listing is looked at at a time."""
    stacking = _Stacking()
    added = []
    for position, listing in enumerate(listings):
        added.append(_amount(listing))
        stacking.put(position, listing)
    return stacking.done(tuple(added))


def _amount(listing: Listing) -> Amount:
    files = {file.inode: file for file in listing.files.values()}
    return Amount(
        sum([file.size for file in files.values()]),
        len(files),
        sum([file.allocated for file in files.values()]),
        len(listing.whiteouts),
        len(listing.opaque),
    )


class _Stacking:
    """The merged tree so far: `_files` and `_children` hold what is visible."""

    def __init__(self) -> None:
        self._files: dict[str, Inode] = {}
        self._children: dict[str, set[str]] = {"": set()}
        self._tops: dict[str, int] = {}
        self._shadows: list[Shadow] = []
        self._rewrites: list[Rewrite] = []

    def put(self, position: int, listing: Listing) -> None:
        """Lays one more layer on top."""
        for path in listing.opaque:
            for child in list(self._children.get(path, ())):
                self._remove(f"{path}/{child}", position, removed=True)
        for path in listing.whiteouts:
            self._remove(path, position, removed=True)
        self._put_directories(listing.directories, position)
        inodes: dict[int, Inode] = {}
        for path, file in listing.files.items():
            self._clear(path, file, position, first=file.inode not in inodes)
            if file.inode not in inodes:
                inodes[file.inode] = Inode(position, file)
        for path, file in listing.files.items():
            self._attach(path)
            inode = self._files[path] = inodes[file.inode]
            inode.names += 1

    def _put_directories(self, directories: Set[str], position: int) -> None:
        for path in sorted(directories):
            if path in self._files:
                self._remove(path, position, removed=True)
            self._attach(path)
            self._children.setdefault(path, set())
            self._tops[path] = position

    def _clear(self, path: str, file: File, position: int, *, first: bool) -> None:
        """Takes away what stands where the file goes."""
        old = self._files.get(path)
        if old is not None and first and file.regular and old.regular and file.size == old.size > 0:
            self._rewrites.append(Rewrite(path, old.layer, position, file.size))
        if old is not None or path in self._children:
            self._remove(path, position, removed=False)

    def _attach(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        children = self._children.get(parent)
        if children is None:
            self._attach(parent)
            children = self._children[parent] = set()
        children.add(name)

    def _remove(self, path: str, position: int, *, removed: bool) -> None:
        """Takes a file, or a directory with all that is in it, out of the tree."""
        parent, _, name = path.rpartition("/")
        self._children.get(parent, set()).discard(name)
        pending = [path]
        while pending:
            each = pending.pop()
            pending += [f"{each}/{child}" for child in self._children.pop(each, ())]
            self._tops.pop(each, None)
            inode = self._files.pop(each, None)
            if inode is not None and inode.hide(position):
                at_once = not inode.scattered
                told = (each, inode.layer, position, inode.size, removed, inode.allocated, at_once)
                self._shadows.append(Shadow(*told))

    def done(self, added: tuple[Amount, ...]) -> Stacked:
        return Stacked(added, tuple(self._shadows), tuple(self._rewrites), self._files, self._tops)
