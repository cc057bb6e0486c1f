"""Clones: files of the same bytes but other metadata, whose data the file system keeps once (reflinks).

Nothing that can be seen of a file changes, so no row and no lock is needed: the kernel compares and swaps
extents under its own.
"""

from __future__ import annotations

import os

from cowl.linux.extents import NoClones, extents, share_data
from cowl.store.dedupe.twins import open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.dedupe.inodes import Inode
    from cowl.store.root_directory import RootDirectory

LEAST = 4096  # bytes: less than a block can't be shared


def why_not(directory: str) -> str:
    """What keeps the file system of a directory of ours from sharing data between files; "" if nothing."""
    fds: list[int] = []
    paths = [f"{directory}/clone-{name}" for name in "ab"]
    try:
        for path in paths:
            fds.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            os.write(fds[-1], b"x" * LEAST)
            os.fsync(fds[-1])
        share_data(fds[0], fds[1], LEAST)
    except NoClones:
        return "the file system of the store can't share data between files"
    except OSError as problem:
        return f"it failed: {problem.strerror}"
    finally:
        for path, fd in zip(paths, fds, strict=False):
            os.close(fd)
            os.unlink(path)
    return ""


class Clones:
    """Shares data. `files` and `bytes`: of how many files how much that was not shared before."""

    def __init__(self, root: RootDirectory, *, dry_run: bool) -> None:
        self._root = root
        self._dry_run = dry_run
        self.files = self.bytes = self.refused = 0

    def share(self, inodes: list[Inode]) -> None:
        """Has all these, of the same bytes, keep them where the first one does."""
        try:
            source = open_file(self._root, inodes[0])
        except OSError:
            return
        try:
            for inode in inodes[1:]:
                self._one(source, inode)
        finally:
            os.close(source)

    def _one(self, source: int, inode: Inode) -> None:
        try:
            target = open_file(self._root, inode)
        except OSError:
            return
        try:
            status = os.fstat(target)
            if (status.st_ino, status.st_size) == (inode.number, inode.size):
                self._share(source, target, inode.size)
        except OSError:
            self.refused += 1
        finally:
            os.close(target)

    def _share(self, source: int, target: int, size: int) -> None:
        here, there = extents(source), extents(target)
        if here is None or there is None or here == there:
            return
        shared = sum(length for _, _, length in set(here) & set(there))
        gained = (size if self._dry_run else share_data(source, target, size)) - shared
        if gained > 0:
            self.files += 1
            self.bytes += gained
