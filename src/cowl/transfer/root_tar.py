"""The root file system of an image as one tar: what shows of all layers, with the image's own owners."""

from __future__ import annotations

import os

from cowl.errors import Corrupt
from cowl.layer import attributes, tar_writer
from cowl.layer.view import FIFO, SYMLINK
from cowl.transfer.root_files import RootFiles, is_gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.layer.owners import Owners
    from cowl.layer.view import MergedView, Node
    from cowl.transfer.layer_blob import Write

_CHUNK = 1 << 20


class FileChanged(Corrupt):
    """A file of a layer became shorter while it was read. Field: path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} of the image changed while it was read")
        self.path = path


def write_root_tar(
    view: MergedView, write: Write, owners: Owners, lost: Callable[[str, str], object] | None = None
) -> None:
    """Gives the tar to `write`. Deterministic: sorted, no host names, hard links to the first name.

    Names are links of each other when one layer holds them as such; an inode that two layers share is two
    files. Sockets and devices are left out.
    lost  given when a container may write to the topmost tree meanwhile: called with the path and what
          became of a file that vanished (it is left out) or became shorter (NULs make up its length).
          Without it such a change raises FileChanged, OSError
    """
    with RootFiles(view, live=lost is not None) as files:
        writing = _Writing(files, write, owners, lost)
        for node, leaving in files.walk():
            if not leaving:
                writing.node(node)
    write(tar_writer.END)


class _Writing:
    def __init__(
        self, files: RootFiles, write: Write, owners: Owners, lost: Callable[[str, str], object] | None
    ) -> None:
        self._files = files
        self._write = write
        self._owners = owners
        self._lost = lost
        self._links: dict[tuple[int, int], bytes] = {}  # by layer and inode: dedupe shares inodes

    def node(self, node: Node) -> None:
        """The entry of one node. All that can fail comes before its first byte, but the reading of data."""
        try:
            self._node(node)
        except OSError as problem:
            if self._lost is None or not is_gone(problem):
                raise
            self._lost(node.path, "vanished and is not in the tar")

    def _node(self, node: Node) -> None:
        name = os.fsencode(node.path[1:])
        inode = node.tree, node.status.st_ino
        if node.is_directory:
            self._head(node, name + b"/", tar_writer.DIRECTORY, xattrs=attributes.read(node.host_path))
        elif inode in self._links:
            self._head(node, name, tar_writer.HARD_LINK, link=self._links[inode])
        elif node.is_file:
            self._file(node, name)
        elif node.kind == SYMLINK:
            self._head(node, name, tar_writer.SYMBOLIC_LINK, link=os.fsencode(node.target))
        elif node.kind == FIFO:
            self._head(node, name, tar_writer.FIFO)
        else:
            return
        if node.status.st_nlink > 1 and not node.is_directory:
            self._links.setdefault(inode, name)

    def _file(self, node: Node, name: bytes) -> None:
        with self._files.open(node) as fd:
            size = os.fstat(fd).st_size
            self._head(node, name, tar_writer.REGULAR, size, xattrs=attributes.read(fd))
            self._data(node, fd, size)
            self._write(bytes(-size % tar_writer.BLOCK))

    def _data(self, node: Node, fd: int, left: int) -> None:
        while left:
            data = os.read(fd, min(left, _CHUNK))
            if not data:
                if self._lost is None:
                    raise FileChanged(node.path)
                self._lost(node.path, f"became {left} bytes shorter; the tar has NULs there")
                while left:
                    data = bytes(min(left, _CHUNK))
                    left -= len(data)
                    self._write(data)
                return
            left -= len(data)
            self._write(data)

    def _head(
        self,
        node: Node,
        name: bytes,
        kind: bytes,
        size: int = 0,
        link: bytes = b"",
        xattrs: attributes.Attributes = (),
    ) -> None:
        uid, gid, mode = self._files.owner(node, self._owners)
        if kind == tar_writer.SYMBOLIC_LINK:
            mode = 0o777
        time = node.status.st_mtime_ns
        self._write(tar_writer.header(name, kind, mode, uid, gid, size, time, link, None, xattrs))
