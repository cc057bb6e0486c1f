"""The root file system of an image as plain files in a directory of the caller's.

The image may be hostile, and what it put there an earlier time too: nothing is written through a
symbolic link, so nothing leaves the directory.
"""

from __future__ import annotations

import os
from stat import S_ISDIR

from cowl.errors import Conflict
from cowl.layer.paths import open_inside
from cowl.layer.view import FIFO, SYMLINK
from cowl.transfer.root_files import RootFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from cowl.layer.owners import Owners
    from cowl.layer.view import MergedView, Node

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT_BITS = 0o1777  # the files are the caller's: set-id bits would mean somebody else than the image's


class DirectoryInTheWay(Conflict):
    """`dest` has a directory where the image has something else. Field: path."""

    def __init__(self, dest: str, path: str) -> None:
        super().__init__(
            f"{dest}{path} is a directory, and something else in the image",
            hint="remove it, or name another directory",
        )
        self.path = path


def copy_root(view: MergedView, dest: str, owners: Owners) -> None:
    """Writes all files, directories, links and FIFOs below `dest`, which is made if need be.

    They belong to the caller and have the image's permissions (without set-id bits) and times. What is
    in `dest` already stays, or is replaced by what the image has of that name. Sockets and devices are
    left out. Raises DirectoryInTheWay, OSError; a failure leaves what was written.
    """
    os.makedirs(dest, exist_ok=True)
    with RootFiles(view) as files, _Target(dest, files, owners) as target:
        for node, leaving in files.walk():
            if leaving:
                target.leave(node)
            else:
                target.enter(node)


class _Target:
    """The directory that is written to. Directories get their modes and times when they are left."""

    def __init__(self, dest: str, files: RootFiles, owners: Owners) -> None:
        self._dest = dest
        self._files = files
        self._owners = owners
        self._top = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._parent = ("", os.dup(self._top))
        self._links: dict[tuple[int, int], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        os.close(self._parent[1])
        os.close(self._top)

    def enter(self, node: Node) -> None:
        name = node.path.rpartition("/")[2]
        parent = self._inside(node.path)
        if node.is_directory:
            self._directory(parent, name)
        elif not self._linked(node, parent, name):
            self._make(node, parent, name)

    def leave(self, node: Node) -> None:
        fd = os.open(node.path.rpartition("/")[2], _DIRECTORY, dir_fd=self._inside(node.path))
        try:
            self._finish(fd, node)
        finally:
            os.close(fd)

    def _inside(self, path: str) -> int:
        """The directory that `path` lies in; kept open, since the next one mostly lies there too."""
        folder = path.rpartition("/")[0][1:]
        if folder != self._parent[0]:
            fd = open_inside(self._top, folder, os.O_RDONLY | os.O_DIRECTORY)
            os.close(self._parent[1])
            self._parent = (folder, fd)
        return self._parent[1]

    def _directory(self, parent: int, name: str) -> None:
        """A directory that we may write to, there or made; anything else of that name goes."""
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            os.mkdir(name, 0o700, dir_fd=parent)
            return
        if not S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=parent)
            os.mkdir(name, 0o700, dir_fd=parent)
        elif status.st_mode & 0o700 != 0o700:
            handle = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=parent)
            try:
                os.chmod(f"/proc/self/fd/{handle}", status.st_mode & 0o7777 | 0o700)
            finally:
                os.close(handle)

    def _linked(self, node: Node, parent: int, name: str) -> bool:
        """Makes a hard link where another name of the file was written before."""
        inode = node.tree, node.status.st_ino  # names of one layer: dedupe shares inodes between layers
        first = self._links.get(inode)
        if first is None:
            if node.status.st_nlink > 1:
                self._links[inode] = node.path
            return False
        self._clear(parent, name, node.path)
        source, _, base = first.rpartition("/")
        fd = open_inside(self._top, source[1:], os.O_PATH | os.O_DIRECTORY)
        try:
            os.link(base, name, src_dir_fd=fd, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(fd)
        return True

    def _make(self, node: Node, parent: int, name: str) -> None:
        if node.is_file:
            self._clear(parent, name, node.path)
            self._file(node, parent, name)
        elif node.kind == SYMLINK:
            self._clear(parent, name, node.path)
            os.symlink(node.target, name, dir_fd=parent)
            time = node.status.st_mtime_ns
            os.utime(name, ns=(time, time), dir_fd=parent, follow_symlinks=False)
        elif node.kind == FIFO:
            self._clear(parent, name, node.path)
            os.mkfifo(name, 0o600, dir_fd=parent)
            fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                self._finish(fd, node)
            finally:
                os.close(fd)

    def _file(self, node: Node, parent: int, name: str) -> None:
        with self._files.open(node) as source:
            fd = os.open(name, _NEW, 0o600, dir_fd=parent)
            try:
                while os.sendfile(fd, source, None, 1 << 30):
                    pass
                self._finish(fd, node)
            finally:
                os.close(fd)

    def _finish(self, fd: int, node: Node) -> None:
        _, _, mode = self._files.owner(node, self._owners)
        os.fchmod(fd, mode & _KEPT_BITS)
        time = node.status.st_mtime_ns
        os.utime(fd, ns=(time, time))

    def _clear(self, parent: int, name: str, path: str) -> None:
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError) as problem:
            if S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise DirectoryInTheWay(self._dest, path) from problem
            raise
