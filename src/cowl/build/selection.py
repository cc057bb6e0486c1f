"""Selection: the part of a tree that --exclude leaves over and that --parents asks for."""

from __future__ import annotations

from cowl.build.tree import DIRECTORY
from cowl.dockerfile.globs import split_wildcards

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.build.tree import Entry, Tree
    from cowl.dockerfile.ignore import Matcher


class Selection:
    """A `cowl.build.tree.Tree` that shows of another only what is wanted below each path that is walked.

    excluded  patterns of what is left out, None for nothing
    included  one pattern of what is wanted, None for everything

    The patterns are those of .dockerignore, relative to the path that is walked; of a file that is walked
    itself, its name counts. A folder that is not wanted shows if something below it is.
    """

    def __init__(self, tree: Tree, excluded: Matcher | None, included: Matcher | None = None) -> None:
        self._tree = tree
        self._excluded = excluded
        self._included = included

    def find(self, path: str) -> Entry | None:
        """The entry at `path`, whether it is wanted or not."""
        return self._tree.find(path)

    def names(self, path: str) -> list[str]:
        """All names in a directory."""
        return self._tree.names(path)

    def open(self, entry: Entry) -> int:
        """As the other tree."""
        return self._tree.open(entry)

    def walk(self, path: str) -> Iterator[Entry]:
        """What is wanted at and below `path`; nothing, if it is a file that is not wanted."""
        start = len(path) + 1 if path else 0
        folders: list[Entry] = []
        for entry in self._reached(path):
            name = entry.path[start:]
            if entry.path == path and entry.kind == DIRECTORY:
                yield entry
                continue
            while folders and not entry.path.startswith(folders[-1].path + "/"):
                folders.pop()
            if self._wanted(name or entry.path.rpartition("/")[2]):
                yield from folders
                folders.clear()
                yield entry
            elif entry.kind == DIRECTORY:
                folders.append(entry)

    def _wanted(self, name: str) -> bool:
        if self._excluded is not None and self._excluded.excluded(name):
            return False
        return self._included is None or self._included.excluded(name)

    def _reached(self, path: str) -> Iterator[Entry]:
        """The walk of the other tree, but straight to where an include pattern can match at all."""
        if self._included is None:
            yield from self._tree.walk(path)
            return
        yield next(iter(self._tree.walk(path)))
        for name in filter(None, split_wildcards(self._included.patterns[0].cleaned)[0].split("/")):
            if name not in self._tree.names(path):
                return
            path = f"{path}/{name}" if path else name
            entry = next(iter(self._tree.walk(path)))
            yield entry
            if entry.kind != DIRECTORY:
                return
        rest = iter(self._tree.walk(path))
        next(rest)
        yield from rest
