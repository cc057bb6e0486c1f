"""A directory of a merged view copied to a place of its own, as a volume or a squashed layer begins.

The view may be hostile: it is read without following a link out of it, and nothing is written through
what was written before. The place must be nobody else's while it is written to.
"""

from __future__ import annotations

import errno
import os

from cowl.layer import attributes
from cowl.layer.ownership import apply_with, for_euid
from cowl.layer.paths import open_inside, open_tree
from cowl.layer.view import DIRECTORY, FIFO, SYMLINK, NoSuchPath, WrongKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from cowl.layer.attributes import Attributes
    from cowl.layer.view import MergedView, Node

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 30
_NOT_SHARED = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def copy_out(view: MergedView, path: str, dest: str, check: Callable[[], object] = bool) -> None:
    """Copies what the directory `path` of the view holds to the empty directory `dest`, which comes to
    look like it.

    Owners, modes, times, the extended attributes that layers keep and hard links are kept. Sockets and
    devices are left out. `check` is called often and may raise to give up. Raises NoSuchPath, WrongKind
    where `path` is no directory, TooManyLinks, OSError.
    """
    top = view.lookup(path)
    if top is None:
        raise NoSuchPath(path)
    if not top.is_directory:
        raise WrongKind(path, top.kind, DIRECTORY)
    with _Copy(view, dest, top, check) as copy:
        copy.run()


def dress(source: int, target: int) -> None:
    """Gives the open directory `target` owner, mode, attributes and times of the open directory `source`."""
    owners = for_euid(os.geteuid())
    status = os.fstat(source)
    apply_with(owners, target, owners.read(source, status), attributes.read(source), directory=True)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


class _Copy:
    """One copy under way. Directories get their owner, mode and time when all is in them."""

    def __init__(self, view: MergedView, dest: str, top: Node, check: Callable[[], object]) -> None:
        self._view = view
        self._check = check
        self._top = top
        self._start = len(top.path.rstrip("/")) + 1
        self._owners = for_euid(os.geteuid())
        self._dest = os.open(dest, _DIRECTORY)
        self._trees: dict[int, int] = {}
        self._first: dict[tuple[int, int], str] = {}  # a layer's inode with several names: the first

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        for fd in (*self._trees.values(), self._dest):
            os.close(fd)

    def run(self) -> None:
        trail: list[tuple[Node, int, Iterator[Node]]] = []
        self._enter(trail, self._top, os.dup(self._dest))
        try:
            while trail:
                directory, fd, children = trail[-1]
                node = next(children, None)
                self._check()
                if node is None:
                    self._settle(fd, directory)
                    os.close(trail.pop()[1])
                elif node.is_directory:
                    name = _base(node)
                    os.mkdir(name, 0o700, dir_fd=fd)
                    self._enter(trail, node, os.open(name, _DIRECTORY, dir_fd=fd))
                else:
                    self._node(node, fd)
        finally:
            for _, fd, _ in trail:
                os.close(fd)

    def _enter(self, trail: list[tuple[Node, int, Iterator[Node]]], node: Node, fd: int) -> None:
        trail.append((node, fd, iter(self._view.children(node))))

    def _node(self, node: Node, parent: int) -> None:
        name = _base(node)
        if node.is_file:
            self._file(node, parent, name)
        elif node.kind == SYMLINK:
            os.symlink(node.target, name, dir_fd=parent)
            uid, gid, _ = self._view.owner(node, self._owners)
            self._owners.apply_link(name, parent, uid, gid)
            self._time(node, parent, name)
        elif node.kind == FIFO:
            os.mkfifo(name, 0o600, dir_fd=parent)
            self._owners.apply_node(name, parent, *self._view.owner(node, self._owners))
            self._time(node, parent, name)

    def _time(self, node: Node, parent: int, name: str) -> None:
        time = node.status.st_mtime_ns
        os.utime(name, ns=(time, time), dir_fd=parent, follow_symlinks=False)

    def _file(self, node: Node, parent: int, name: str) -> None:
        if node.status.st_nlink > 1:
            inode = node.tree, node.status.st_ino  # dedupe lets layers share inodes
            first = self._first.setdefault(inode, node.path[self._start :])
            if first != node.path[self._start :]:
                self._link(first, parent, name)
                return
        source = open_inside(self._tree(node), node.path[1:], os.O_RDONLY | os.O_NONBLOCK)
        try:
            fd = os.open(name, _NEW, 0o600, dir_fd=parent)
            try:
                _copy_bytes(source, fd)
                self._settle(fd, node, attributes.read(source))
            finally:
                os.close(fd)
        finally:
            os.close(source)

    def _link(self, first: str, parent: int, name: str) -> None:
        folder, _, base = first.rpartition("/")
        fd = open_inside(self._dest, folder, os.O_PATH | os.O_DIRECTORY)
        try:
            os.link(base, name, src_dir_fd=fd, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(fd)

    def _tree(self, node: Node) -> int:
        if node.tree not in self._trees:
            self._trees[node.tree] = open_tree(self._view.trees[node.tree])
        return self._trees[node.tree]

    def _settle(self, fd: int, node: Node, xattrs: Attributes | None = None) -> None:
        """Owner, mode, attributes and time of a file or directory, once it is written."""
        if xattrs is None:
            xattrs = attributes.read(node.host_path)
        owner = self._view.owner(node, self._owners)
        apply_with(self._owners, fd, owner, xattrs, directory=node.is_directory)
        time = node.status.st_mtime_ns
        os.utime(fd, ns=(time, time))


def _base(node: Node) -> str:
    return node.path.rpartition("/")[2]


def _copy_bytes(source: int, target: int) -> None:
    """All bytes; shared instead of copied where the file system can do that."""
    try:
        while os.copy_file_range(source, target, _CHUNK):
            pass
    except OSError as problem:
        if problem.errno not in _NOT_SHARED:
            raise
        while os.sendfile(target, source, None, _CHUNK):
            pass
