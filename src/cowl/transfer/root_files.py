"""The files of a stack of layers, one after the other, as an export reads them."""

from __future__ import annotations

import errno
import os
from stat import S_IMODE

from cowl.layer.paths import open_inside, open_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from cowl.layer.owners import Owners
    from cowl.layer.view import MergedView, Node

_READ = os.O_RDONLY | os.O_NONBLOCK
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


def is_gone(problem: OSError) -> bool:
    """Whether it says that a path leads to nothing any more, or to something else than it did."""
    return problem.errno in _GONE


class RootFiles:
    """All nodes of a merged view but its root, parents first, names in order. A `with` block.

    live  a container writes to the topmost tree meanwhile: a directory that vanishes ends where it stands
    """

    def __init__(self, view: MergedView, *, live: bool = False) -> None:
        self._view = view
        self._live = live
        self._trees: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        for fd in self._trees.values():
            os.close(fd)
        self._trees.clear()

    def walk(self) -> Iterator[tuple[Node, bool]]:
        """Gives (node, False), and (directory, True) when all that is in it was given. Any depth."""
        root = self._view.lookup("/")
        trail = [iter(self._view.children(root) if root else ())]
        inside: list[Node] = []
        while trail:
            node = self._next(trail[-1])
            if node is None:
                trail.pop()
                if inside:
                    yield inside.pop(), True
                continue
            yield node, False
            if node.is_directory:
                inside.append(node)
                trail.append(iter(self._view.children(node)))

    def _next(self, nodes: Iterator[Node]) -> Node | None:
        try:
            return next(nodes, None)
        except OSError as problem:
            if self._live and is_gone(problem):
                return None
            raise

    def owner(self, node: Node, owners: Owners) -> tuple[int, int, int]:
        """(uid, gid, permission bits) of a node in the image."""
        try:
            return owners.read(node.host_path, node.status)
        except PermissionError:
            if not node.is_file:
                raise
        with self.open(node) as fd:
            return owners.read(fd, node.status)

    def open(self, node: Node) -> OpenFile:
        """A regular file to read, found without following any link."""
        if node.tree not in self._trees:
            self._trees[node.tree] = open_tree(self._view.trees[node.tree])
        return OpenFile(self._trees[node.tree], node)


class OpenFile:
    """A `with` block that gives a readable fd. A file that a container closed to its owner, who is an
    ordinary user, is opened to him until the block ends."""

    def __init__(self, tree_fd: int, node: Node) -> None:
        self._tree_fd = tree_fd
        self._path = node.path[1:]
        self._mode = S_IMODE(node.status.st_mode)
        self._closed = False
        self._fd = -1

    def __enter__(self) -> int:
        try:
            self._fd = open_inside(self._tree_fd, self._path, _READ)
        except PermissionError:
            self._fd = self._force()
        return self._fd

    def _force(self) -> int:
        handle = open_inside(self._tree_fd, self._path, os.O_PATH)
        try:
            place = f"/proc/self/fd/{handle}"
            os.chmod(place, self._mode | 0o400)
            self._closed = True
            return os.open(place, _READ | os.O_CLOEXEC)
        finally:
            os.close(handle)

    def __exit__(self, *_failure: object) -> None:
        if self._closed:
            os.fchmod(self._fd, self._mode)
        os.close(self._fd)
