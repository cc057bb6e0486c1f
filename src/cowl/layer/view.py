"""The merged tree of a stack of layers, seen without mounting it.

Paths are those of the image: absolute or relative to its root, "/" its root, ".." never above it;
file names that aren't UTF-8 come as os.fsdecode gives them. Links are resolved inside the root. Layers
don't change; where the topmost tree is the upper of a live container, `open` and `read_file` still
never leave the trees, while a Node may be out of date.
"""

from __future__ import annotations

import errno
import os
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISLNK, S_ISREG

from cowl.errors import Invalid, NotFound
from cowl.layer.paths import open_inside, open_tree
from cowl.layer.whiteout import is_opaque, is_whiteout
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from cowl.layer.owners import Owners

    Found: TypeAlias = "tuple[os.stat_result, int, tuple[int, ...]]"

FILE, DIRECTORY, SYMLINK = "file", "directory", "symlink"
FIFO, SOCKET, DEVICE = "fifo", "socket", "device"

READ_LIMIT = 16 * 1024 * 1024
_LINK_LIMIT = 40  # as path_resolution(7)
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


class NoSuchPath(NotFound):
    """The image has no `path`."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"no such file or directory in the image: {path}")


class TooManyLinks(Invalid):
    """Symbolic links on the way to `path` form a loop, or are more than 40."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"too many symbolic links on the way to {path} in the image")


class WrongKind(Invalid):
    """`path` is a `kind` where a `wanted` is needed."""

    def __init__(self, path: str, kind: str, wanted: str) -> None:
        self.path, self.kind, self.wanted = path, kind, wanted
        super().__init__(f"{path} in the image is a {kind}, not a {wanted}")


class FileTooBig(Invalid):
    """`path` has more than the `limit` bytes that may be read at once."""

    def __init__(self, path: str, limit: int) -> None:
        self.path, self.limit = path, limit
        super().__init__(f"{path} in the image is larger than {limit} bytes")


class Node(Value):
    """Something in the merged tree.

    path       where it is in the image, links resolved: "/" or "/a/b"
    host_path  where it is on this machine (of a directory: its topmost part)
    status     its lstat
    tree       index of the (topmost) tree that has it
    trees      of a directory: all trees that contribute to it, topmost first; else ()
    """

    path: str
    host_path: str
    status: os.stat_result
    tree: int
    trees: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """FILE, DIRECTORY, SYMLINK, FIFO, SOCKET or DEVICE."""
        return kind_of(self.status.st_mode)

    @property
    def is_directory(self) -> bool:
        return S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        return S_ISREG(self.status.st_mode)

    @property
    def target(self) -> str:
        """What a symlink says, unresolved; "" of anything else."""
        return os.readlink(self.host_path) if S_ISLNK(self.status.st_mode) else ""


def kind_of(mode: int) -> str:
    """The word for a st_mode."""
    if S_ISREG(mode):
        return FILE
    if S_ISDIR(mode):
        return DIRECTORY
    if S_ISLNK(mode):
        return SYMLINK
    if S_ISFIFO(mode):
        return FIFO
    return DEVICE if S_ISCHR(mode) or S_ISBLK(mode) else SOCKET


class MergedView:
    """A stack of trees in diff form as one tree. Holds no file descriptors and no cache.

    trees  absolute paths, topmost first; may be none (an empty root then)
    """

    def __init__(self, trees: Sequence[str]) -> None:
        self.trees = tuple(trees)
        self._all = tuple(range(len(self.trees)))

    def lookup(self, path: str, follow: bool = True) -> Node | None:
        """The node at `path`, or None. Links on the way are followed, one at the end if `follow`.

        Raises TooManyLinks; OSError (EACCES) where an ordinary user closed a directory to himself.
        """
        return _Search(self, path, follow).node()

    def resolve(self, path: str) -> str:
        """`path` with all links resolved inside the root; what is missing stays as it is spelled.

        Absolute, without "." and "..". Raises TooManyLinks.
        """
        return "/" + "/".join(_Search(self, path, follow=True).names)

    def children(self, directory: Node) -> Iterator[Node]:
        """The entries of a directory that `lookup` or `children` gave, in the order of their names."""
        found: dict[str, None] = {}
        for index in directory.trees:
            found.update(dict.fromkeys(_names(self.trees[index], directory.path[1:])))
        prefix = directory.path if directory.path != "/" else ""
        for name in sorted(found):
            seen = self._find(f"{prefix}/{name}"[1:], directory.trees)
            if seen:
                yield self._node(f"{prefix}/{name}", seen)

    def list(self, path: str) -> tuple[str, ...]:
        """The sorted names in a directory (links followed). Raises NoSuchPath, WrongKind, TooManyLinks."""
        node = self._existing(path)
        if not node.is_directory:
            raise WrongKind(path, node.kind, DIRECTORY)
        return tuple(child.path.rpartition("/")[2] for child in self.children(node))

    def open(self, path: str) -> int:
        """A readable fd of the regular file at `path` (links followed inside the root); cloexec.

        Never blocks on a FIFO, opens no device. Raises NoSuchPath, WrongKind, TooManyLinks, OSError.
        """
        node = self._existing(path)
        if not node.is_file:
            raise WrongKind(path, node.kind, FILE)
        fd = _open(self.trees[node.tree], node.path[1:], os.O_RDONLY | os.O_NONBLOCK)
        if S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        raise WrongKind(path, "changing node", FILE)

    def read_file(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """The bytes of a regular file, at most `limit`. Raises as `open` does, and FileTooBig."""
        fd = self.open(path)
        try:
            if os.fstat(fd).st_size > limit:
                raise FileTooBig(path, limit)
            chunks = []
            while chunk := os.read(fd, min(limit + 1, 1 << 20)):
                chunks.append(chunk)
                limit -= len(chunk)
                if limit < 0:
                    raise FileTooBig(path, limit + sum(map(len, chunks)))
            return b"".join(chunks)
        finally:
            os.close(fd)

    def owner(self, node: Node, owners: Owners) -> tuple[int, int, int]:
        """(uid, gid, permission bits) of a node in the image."""
        return owners.read(node.host_path, node.status)

    def _existing(self, path: str) -> Node:
        node = self.lookup(path)
        if node is None:
            raise NoSuchPath(path)
        return node

    def _host(self, index: int, relative: str) -> str:
        return f"{self.trees[index]}/{relative}" if relative else self.trees[index]

    def _node(self, path: str, found: Found) -> Node:
        status, tree, trees = found
        return Node(path, self._host(tree, path[1:]), status, tree, trees)

    def _root(self) -> Node | None:
        if not self.trees:
            return None
        return Node("/", self.trees[0], os.stat(self.trees[0]), 0, self._all)

    def _find(self, relative: str, trees: tuple[int, ...]) -> Found | None:
        """What the trees make of one path whose parent is a directory in all of `trees`."""
        first: tuple[os.stat_result, int] | None = None
        merged = []
        for index in trees:
            host = f"{self.trees[index]}/{relative}"
            try:
                status = os.lstat(host)
            except OSError as error:
                if error.errno in _MISSING:
                    continue
                raise
            if not S_ISDIR(status.st_mode):
                if first:
                    break
                return None if is_whiteout(status) else (status, index, ())
            first = first or (status, index)
            merged.append(index)
            if is_opaque(host):
                break
        return (*first, tuple(merged)) if first else None


def _open(tree: str, relative: str, flags: int) -> int:
    tree_fd = open_tree(tree)
    try:
        return open_inside(tree_fd, relative, flags)
    finally:
        os.close(tree_fd)


def _names(tree: str, relative: str) -> list[str]:
    fd = _open(tree, relative, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


class _Search:
    """The walk to one path. `names` is the resolved path so far, `found` belongs to its last name."""

    def __init__(self, view: MergedView, path: str, follow: bool) -> None:
        self._view = view
        self._path = path
        self._follow = follow
        self._links = 0
        self._pending = path.split("/")[::-1]
        self.names: list[str] = []
        self._found: list[Found] = []
        self._missing = 0
        while self._pending:
            self._step(self._pending.pop())

    def node(self) -> Node | None:
        if self._missing:
            return None
        if not self.names:
            return self._view._root()
        return self._view._node("/" + "/".join(self.names), self._found[-1])

    def _step(self, name: str) -> None:
        if name in ("", "."):
            return
        if name == "..":
            self._up()
            return
        found = None if self._missing or "\0" in name else self._look(name)
        if found is None:
            self._missing += 1
            self.names.append(name)
        elif S_ISLNK(found[0].st_mode) and (self._follow or any(self._pending)):
            self._jump(self._view._host(found[1], "/".join((*self.names, name))))
        else:
            self.names.append(name)
            self._found.append(found)

    def _look(self, name: str) -> Found | None:
        trees = self._found[-1][2] if self._found else self._view._all
        return self._view._find("/".join((*self.names, name)), trees)

    def _up(self) -> None:
        if not self.names:
            return
        self.names.pop()
        if self._missing:
            self._missing -= 1
        else:
            self._found.pop()

    def _jump(self, host_path: str) -> None:
        self._links += 1
        if self._links > _LINK_LIMIT:
            raise TooManyLinks(self._path)
        target = os.readlink(host_path)
        if target.startswith("/"):
            self.names.clear()
            self._found.clear()
        self._pending.extend(target.split("/")[::-1])
