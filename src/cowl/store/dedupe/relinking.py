"""Relinking: names of one inode made names of another, in layers that nobody else writes to or has mounted.

A link is made in staging/ and renamed over the old name: at every moment there is a whole file under each
name, and no directory of a layer ever grows for a second name. The directories get their times back.
"""

from __future__ import annotations

import errno
import os
from stat import S_IMODE

from cowl.layer.paths import open_inside, open_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.dedupe.inodes import Inode, Merge, Place
    from cowl.store.dedupe.merging import Group
    from cowl.store.root_directory import RootDirectory

_BLOCK = 512  # of st_blocks, stat(2)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITABLE = 0o300
_TEMPORARY = "link"
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_REFUSED = (errno.EPERM, errno.EACCES, errno.EXDEV)  # append-only, immutable, another project's quota


class Folder:
    """An opened directory of a layer, and how it is to look when the work is done."""

    def __init__(self, root: RootDirectory, layer: str, path: bytes) -> None:
        tree_fd = open_tree(root.diff(layer))
        try:
            self.fd = open_inside(tree_fd, path, _DIRECTORY)
        finally:
            os.close(tree_fd)
        status = os.fstat(self.fd)
        self.mode, self.mtime_ns = S_IMODE(status.st_mode), status.st_mtime_ns
        self.touched = False

    def restore(self) -> None:
        """Mode and time as they were; closes it."""
        if self.touched:
            restore(self.fd, self.mode, self.mtime_ns)
        self.close()

    def inode(self, name: bytes) -> int:
        """The number of the inode of that name in it."""
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_ino

    def close(self) -> None:
        """Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def restore(fd: int, mode: int, mtime_ns: int) -> None:
    """Gives a directory its mode and time."""
    status = os.fstat(fd)
    if S_IMODE(status.st_mode) != mode:
        os.fchmod(fd, mode)
    os.utime(fd, ns=(status.st_atime_ns, mtime_ns))


class Touched:
    """What became of the inodes of one class so far, which may take several batches."""

    def __init__(self) -> None:
        self.marks: dict[int, tuple[int, int]] = {}  # links and ctime, where they are not as looked at
        self.successors: dict[int, Inode] = {}  # of those that have as many links as can be
        self.layers: dict[int, frozenset[str]] = {}
        self.groups: dict[int, Group] = {}  # what each kept inode has taken over


class Relinking:
    """One batch of merges, under the store's lock. A `with` block: at its end the directories are restored.

    What lost its last name is held open until `release`: freeing its blocks takes longer than all the rest,
    and needs no lock.

    staging      a directory of ours on the file system of the layers
    links        names that were moved
    inodes       that went, and freed_bytes: their blocks; as the kernel counts links
    refused      names that the file system would not let be moved
    changed      inodes that were not as they had been
    grown        bytes on disk that a layer's directory shows more than before
    """

    def __init__(self, root: RootDirectory, staging: str, touched: Touched) -> None:
        self._root = root
        self._touched = touched
        self._folders: dict[tuple[str, bytes], Folder] = {}
        self._handles: list[int] = []
        self._before: dict[int, tuple[Inode, frozenset[str]]] = {}
        self.links = self.inodes = self.freed_bytes = self.refused = self.changed = 0
        self.grown: dict[str, int] = {}
        self._path = staging
        self._staging = -1

    def __enter__(self) -> Relinking:
        self._staging = os.open(self._path, _DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_failure: object) -> None:
        try:
            for folder in self._folders.values():
                folder.restore()
        finally:
            for folder in self._folders.values():
                folder.close()
            os.close(self._staging)

    def release(self) -> None:
        """Lets the file system free what went. Idempotent; to be called in any case."""
        while self._handles:
            os.close(self._handles.pop())

    def merge(self, merge: Merge) -> None:
        """Gives all names of the old inode to the kept one, unless something is not as it was."""
        kept, old = merge.kept, merge.old
        while kept.number in self._touched.successors:
            kept = self._touched.successors[kept.number]
        if not self._is(kept) or not self._is(old):
            self.changed += 1
            return
        handle = os.open(old.names[0][2], _HANDLE, dir_fd=self._folder(old.names[0]).fd)
        self._handles.append(handle)
        self._move_all(kept, old)
        status = os.fstat(handle)
        self._mark(old, status)
        if not status.st_nlink:
            self.inodes += 1
            self.freed_bytes += status.st_blocks * _BLOCK

    def _move_all(self, kept: Inode, old: Inode) -> None:
        for place in old.names:
            try:
                if self._folder(place).inode(place[2]) != old.number:
                    self.changed += 1
                    continue
                self._move(kept, place)
            except OSError as problem:
                if problem.errno == errno.EMLINK:
                    self._touched.successors[kept.number] = old
                    return
                if problem.errno in _REFUSED:
                    self.refused += 1
                elif problem.errno in _GONE:
                    self.changed += 1
                else:
                    raise
                continue
            layer = place[0]
            self.links += 1
            self.grown[layer] = self.grown.get(layer, 0) + (kept.blocks - old.blocks) * _BLOCK
            self._share(old, self._layers(old) - {layer})
            self._share(kept, self._layers(kept) | {layer})

    def _move(self, kept: Inode, place: Place) -> None:
        source, folder = self._folder(kept.names[0]), self._folder(place)
        link = {"src_dir_fd": source.fd, "dst_dir_fd": self._staging}
        os.link(kept.names[0][2], _TEMPORARY, **link, follow_symlinks=False)
        try:
            self._rename(folder, place[2])
        except BaseException:
            os.unlink(_TEMPORARY, dir_fd=self._staging)
            raise
        finally:
            self._mark(kept, os.stat(kept.names[0][2], dir_fd=source.fd, follow_symlinks=False))

    def _rename(self, folder: Folder, name: bytes) -> None:
        folder.touched = True
        try:
            os.rename(_TEMPORARY, name, src_dir_fd=self._staging, dst_dir_fd=folder.fd)
        except PermissionError:
            if folder.mode & _WRITABLE == _WRITABLE or not os.geteuid():
                raise
            os.fchmod(folder.fd, folder.mode | _WRITABLE)  # an ordinary user's, closed by its image
            os.rename(_TEMPORARY, name, src_dir_fd=self._staging, dst_dir_fd=folder.fd)

    def _is(self, inode: Inode) -> bool:
        """Whether it is what was looked at, and nobody touched it since, ourselves apart."""
        name = inode.names[0][2]
        try:
            status = os.stat(name, dir_fd=self._folder(inode.names[0]).fd, follow_symlinks=False)
        except OSError as problem:
            if problem.errno in _GONE:
                return False
            raise
        marks = self._touched.marks.get(inode.number, (inode.links, inode.ctime_ns))
        found = (status.st_ino, status.st_size, status.st_nlink, status.st_ctime_ns)
        return found == (inode.number, inode.size, *marks)

    def _mark(self, inode: Inode, status: os.stat_result) -> None:
        self._touched.marks[inode.number] = (status.st_nlink, status.st_ctime_ns)

    def _layers(self, inode: Inode) -> frozenset[str]:
        return self._touched.layers.get(inode.number) or frozenset(inode.layers)

    def _share(self, inode: Inode, layers: frozenset[str]) -> None:
        self._before.setdefault(inode.number, (inode, self._layers(inode)))
        self._touched.layers[inode.number] = layers

    def _folder(self, place: Place) -> Folder:
        key = place[0], place[1]
        if key not in self._folders:
            self._folders[key] = Folder(self._root, *key)
        return self._folders[key]

    @property
    def shared(self) -> dict[frozenset[str], tuple[int, int, int]]:
        """What became more and less of what exactly these layers share: see `shared_inodes.add`."""
        changes: dict[frozenset[str], tuple[int, int, int]] = {}
        for inode, before in self._before.values():
            for layers, sign in ((before, -1), (self._touched.layers[inode.number], 1)):
                if len(layers) > 1:
                    inodes, size, allocated = changes.get(layers, (0, 0, 0))
                    blocks = inode.blocks * _BLOCK
                    changes[layers] = (inodes + sign, size + sign * inode.size, allocated + sign * blocks)
        return {layers: amount for layers, amount in changes.items() if any(amount)}
