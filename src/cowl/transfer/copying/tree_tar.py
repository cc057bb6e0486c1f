"""A tree, or one file of it, as a tar, while others may change it.

Read by open directories, no link followed, nothing waited for: what was swapped for a FIFO or a device is
left out. Holes stay holes (GNU's format 1.0, which GNU tar, bsdtar and Python read). Sockets are left out,
as with Docker.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFMT, S_ISDIR, S_ISREG

from cowl.layer import attributes, tar_writer
from cowl.layer.tar_sparse import sparse_head
from cowl.layer.walk import walk
from cowl.transfer.copying.failures import CannotCopy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Reader: TypeAlias = "Callable[[int | bytes, os.stat_result], tuple[int, int, int]]"

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
_BLOCK = 512  # of st_blocks, stat(2)
EXTENTS = 100_000  # runs of data between holes, of one file
_KINDS = {
    S_IFLNK: tar_writer.SYMBOLIC_LINK,
    S_IFIFO: tar_writer.FIFO,
    S_IFCHR: tar_writer.CHARACTER,
    S_IFBLK: tar_writer.BLOCK_DEVICE,
}
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE)


class TreeTar:
    """Writes entries to `write`, which takes all that it is given.

    owner        gives (uid, gid, permission bits) of a node by an open fd (files, directories) or else b""
    file_bytes   the lengths of the files so far
    """

    def __init__(self, write: Callable[[bytes], object], owner: Reader) -> None:
        self._write = write
        self._owner = owner
        self._links: dict[tuple[int, int], tuple[bytes, tuple[int, int, int]]] = {}
        self.file_bytes = 0

    def directory(self, top: str, name: bytes) -> None:
        """The directory at the path `top` as `name`, with all that is in it. Raises OSError."""
        fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._directory(fd, name, os.fstat(fd))
        finally:
            os.close(fd)
        for parent, raw, status, inside in walk(top, forced=False):
            place = os.fsencode(f"{parent.path}/{raw}" if parent.path else raw)
            try:
                opened = inside.fd if inside else None
                self.node(parent.fd, os.fsencode(raw), name + b"/" + place, status, opened)
            except OSError as problem:
                if problem.errno not in _GONE:
                    raise

    def node(
        self, parent: int, base: bytes, name: bytes, status: os.stat_result, inside: int | None = None
    ) -> None:
        """What `base` of an open directory is, as `name`; inside: its own fd, if a directory. OSError."""
        if inside is not None:
            self._directory(inside, name, status)
        elif S_ISREG(status.st_mode):
            self._file(parent, base, name)
        elif not S_ISDIR(status.st_mode) and not self._linked(name, status):
            self._other(parent, base, name, status)

    def end(self) -> None:
        """The tar is whole."""
        self._write(tar_writer.END)

    def _directory(self, fd: int, name: bytes, status: os.stat_result) -> None:
        uid, gid, mode = self._owner(fd, status)
        xattrs = attributes.read(fd)
        kind = tar_writer.DIRECTORY
        self._write(
            tar_writer.header(name + b"/", kind, mode, uid, gid, 0, status.st_mtime_ns, xattrs=xattrs)
        )

    def _file(self, parent: int, base: bytes, name: bytes) -> None:
        fd = os.open(base, _READ, dir_fd=parent)
        try:
            status = os.fstat(fd)
            if S_ISREG(status.st_mode) and not self._linked(name, status):
                self._regular(fd, name, status)
        finally:
            os.close(fd)

    def _regular(self, fd: int, name: bytes, status: os.stat_result) -> None:
        owner, size, time = self._owner(fd, status), status.st_size, status.st_mtime_ns
        uid, gid, mode = owner
        xattrs = attributes.read(fd)
        extents = _extents(fd, status, name) if 0 < status.st_blocks * _BLOCK < size else None
        if status.st_blocks == 0 < size and _is_hole(fd):
            extents = []
        self.file_bytes += size
        self._remember(name, status, owner)
        if extents is None:
            self._write(
                tar_writer.header(name, tar_writer.REGULAR, mode, uid, gid, size, time, xattrs=xattrs)
            )
            self._data(fd, 0, size)
            self._write(bytes(-size % tar_writer.BLOCK))
            return
        head = sparse_head(name, owner, size, time, extents, xattrs)
        self._write(head)
        for start, length in extents:
            self._data(fd, start, length)
        self._write(bytes(-sum(length for _, length in extents) % tar_writer.BLOCK))

    def _data(self, fd: int, start: int, length: int) -> None:
        """Its bytes; what became shorter meanwhile is filled up with zeros."""
        while length:
            data = os.pread(fd, min(length, _CHUNK), start) or bytes(min(length, _CHUNK))
            start += len(data)
            length -= len(data)
            self._write(data)

    def _other(self, parent: int, base: bytes, name: bytes, status: os.stat_result) -> None:
        kind = _KINDS.get(S_IFMT(status.st_mode))
        if kind is None:
            return
        uid, gid, mode = self._owner(b"", status)
        self._remember(name, status, (uid, gid, mode))
        link, device = b"", None
        if kind == tar_writer.SYMBOLIC_LINK:
            link, mode = os.readlink(base, dir_fd=parent), 0o777
        elif kind != tar_writer.FIFO:
            device = os.major(status.st_rdev), os.minor(status.st_rdev)
        self._write(tar_writer.header(name, kind, mode, uid, gid, 0, status.st_mtime_ns, link, device))

    def _linked(self, name: bytes, status: os.stat_result) -> bool:
        """Whether another name of the inode came before; then this one is a hard link to it."""
        if status.st_nlink == 1:
            return False
        known = self._links.get((status.st_dev, status.st_ino))
        if known is None:
            return False
        first, (uid, gid, mode) = known
        kind = tar_writer.HARD_LINK
        self._write(tar_writer.header(name, kind, mode, uid, gid, 0, status.st_mtime_ns, first))
        return True

    def _remember(self, name: bytes, status: os.stat_result, owner: tuple[int, int, int]) -> None:
        """For hard links, which repeat the owner: some programs apply that of the last name."""
        if status.st_nlink > 1:
            self._links[status.st_dev, status.st_ino] = name, owner


def _is_hole(fd: int) -> bool:
    """Whether there is no data at all: a file system of the kernel's own counts no blocks either."""
    try:
        os.lseek(fd, 0, os.SEEK_DATA)
    except OSError as problem:
        return problem.errno == errno.ENXIO
    return False


def _extents(fd: int, status: os.stat_result, name: bytes) -> list[tuple[int, int]] | None:
    """(start, length) of the runs of data; None where the file system knows of no holes."""
    found: list[tuple[int, int]] = []
    at, size = 0, status.st_size
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
            at = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        except OSError as problem:
            if problem.errno == errno.ENXIO:
                break
            return None
        if start < at:
            found.append((start, at - start))
        if len(found) > EXTENTS:
            shown = name.decode("utf-8", "backslashreplace")
            raise CannotCopy(f"{shown} has more than {EXTENTS} runs of data between holes")
    return found
