"""Twins: inodes that hold the same bytes, and those that are the same in all that a program can see."""

from __future__ import annotations

import os
from hashlib import sha256

from cowl.layer.paths import open_inside, open_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from cowl.store.dedupe.inodes import Inode
    from cowl.store.root_directory import RootDirectory

_HEAD = 1 << 12  # most files that differ do so in their first block
_CHUNK = 1 << 20
_READ = os.O_RDONLY | os.O_NONBLOCK


class Twins:
    """Reads files of layers. What went or changed since it was listed has no twin."""

    def __init__(self, root: RootDirectory, check: Callable[[], object]) -> None:
        self._root = root
        self._check = check
        self._buffer = bytearray(_CHUNK)
        self.unreadable = 0

    def same(self, inodes: Iterable[Inode]) -> Iterator[list[Inode]]:
        """Classes of two or more that are the same: bytes, mode, owner, time, all extended attributes."""
        return self._classes(inodes, _metadata)

    def same_bytes(self, inodes: Iterable[Inode]) -> Iterator[list[Inode]]:
        """Classes of two or more that hold the same bytes."""
        return self._classes(inodes, lambda _fd: ())

    def _classes(self, inodes: Iterable[Inode], look: Callable[[int], object]) -> Iterator[list[Inode]]:
        for found in self._by(inodes, lambda fd: (look(fd), self._hash(fd, _HEAD))):
            if found[0].size <= _HEAD:
                yield found
            else:
                yield from self._by(found, lambda fd: self._hash(fd, -1))

    def _by(self, inodes: Iterable[Inode], key: Callable[[int], Any]) -> list[list[Inode]]:
        classes: dict[Any, list[Inode]] = {}
        for inode in inodes:
            self._check()
            try:
                classes.setdefault(self._ask(inode, key), []).append(inode)
            except OSError:
                self.unreadable += 1
            except _Changed:
                continue
        return [found for found in classes.values() if len(found) > 1]

    def _ask(self, inode: Inode, key: Callable[[int], Any]) -> Any:
        fd = open_file(self._root, inode)
        try:
            status = os.fstat(fd)
            if (status.st_ino, status.st_size) != (inode.number, inode.size):
                raise _Changed
            return key(fd)
        finally:
            os.close(fd)

    def _hash(self, fd: int, most: int) -> bytes:
        digest = sha256()
        view = memoryview(self._buffer) if most < 0 else memoryview(self._buffer)[:most]
        while count := os.readv(fd, [view]):
            digest.update(view[:count])
            self._check()
            if most > 0:
                break
        return digest.digest()


class _Changed(Exception):
    """Another file stands there now."""


def open_file(root: RootDirectory, inode: Inode) -> int:
    """The file under its first name, to be read. Raises OSError."""
    layer, directory, name = inode.names[0]
    tree_fd = open_tree(root.diff(layer))
    try:
        return open_inside(tree_fd, directory + b"/" + name if directory else name, _READ)
    finally:
        os.close(tree_fd)


def _metadata(fd: int) -> object:
    status = os.fstat(fd)
    about = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
    return about, tuple((name, os.getxattr(fd, name)) for name in sorted(os.listxattr(fd)))
