"""A file from a URL as ADD reads it. Its bytes are fetched when somebody wants them, its digest before."""

from __future__ import annotations

import os

from cowl.build.tree import DIRECTORY, FILE, Content, Entry, content_of_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cowl.build.remote.download import Downloaded
    from cowl.oci.digest import Digest

_MODE = 0o600


class UrlFile:
    """A `cowl.build.tree.Tree` of one file, root's and 0600.

    digest  of the bytes, known before they are here
    fetch   gets them; called once at most, when they are read first
    """

    def __init__(self, name: str, digest: Digest, fetch: Callable[[], Downloaded]) -> None:
        self.digest = digest
        self._fetch = fetch
        self._fetched: Downloaded | None = None
        self.entry = Entry(name, FILE, _MODE, 0, 0, 0, "", (0, 0, 0, 0))

    @property
    def content(self) -> Content:
        """What decides whether a step is the same: not its time."""
        return content_of_file(self.entry, self.digest.hex)

    def find(self, path: str) -> Entry | None:
        """The file, or the root for ""."""
        return self.entry if path == self.entry.path else None if path else self._root()

    def names(self, path: str) -> list[str]:
        """The one name in the root."""
        return [] if path else [self.entry.path]

    def walk(self, path: str) -> Iterator[Entry]:
        """The file with its true time; its stamp is another when it has not the bytes that it should have."""
        if not path:
            yield self._root()
        found = self._here()
        stamp = self.entry.stamp if found.digest == self.digest else (0, 0, 0, 1)
        yield self.entry.replace(mtime_ns=found.mtime_ns, stamp=stamp)

    def open(self, _entry: Entry) -> int:
        """A file descriptor to read the bytes."""
        return os.open(self._here().path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def _root(self) -> Entry:
        return Entry("", DIRECTORY, 0o755, 0, 0, 0, "", (0, 0, 0, 0))

    def _here(self) -> Downloaded:
        if self._fetched is None:
            self._fetched = self._fetch()
        return self._fetched
