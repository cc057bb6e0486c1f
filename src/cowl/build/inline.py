"""Inline files: the heredocs of a COPY or ADD as a tree of its own."""

from __future__ import annotations

import os

from cowl.build.tree import DIRECTORY, FILE, NOW, Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.dockerfile.nodes import Heredoc

_MODE = 0o644


class InlineTree:
    """A `cowl.build.tree.Tree` of one file, root's and 0644: the body of a heredoc under its name.

    There is no file on disk, so its time is NOW, and the first number of its stamp, the inode, is 0.
    """

    def __init__(self, heredoc: Heredoc) -> None:
        self._data = heredoc.content.encode("utf-8", "surrogateescape")
        stamp = (0, len(self._data), 0, 0)
        self._file = Entry(heredoc.name, FILE, _MODE, 0, 0, NOW, "", stamp)
        self._root = Entry("", DIRECTORY, 0o755, 0, 0, NOW, "", (0, 0, 0, 0))

    def find(self, path: str) -> Entry | None:
        """The file, or the root for ""."""
        return self._file if path == self._file.path else None if path else self._root

    def names(self, path: str) -> list[str]:
        """The one name in the root."""
        return [] if path else [self._file.path]

    def walk(self, path: str) -> Iterator[Entry]:
        """The file; for "" the root before it."""
        if not path:
            yield self._root
        yield self._file

    def open(self, _entry: Entry) -> int:
        """A file descriptor to read the body."""
        fd = os.memfd_create("heredoc", os.MFD_CLOEXEC)
        rest = memoryview(self._data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.lseek(fd, 0, os.SEEK_SET)
        return fd
