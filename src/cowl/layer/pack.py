"""A tree in diff form made into a tar, the same tree always into the same bytes.

Entries go directory by directory in the order of the names' bytes, a directory before what is in it,
`.wh..wh..opq` and whiteouts before their siblings; no entry for the root, as in Docker's layers.
Names of one inode become hard links to the first. Times keep their nanoseconds (Docker cuts them off).
Sockets can't be in a tar and are left out. Owners, modes and xattrs are the image's: records of owners
and overlayfs's own xattrs are not.
"""

from __future__ import annotations

import os
from hashlib import sha256
from stat import S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFMT, S_IMODE, S_ISREG

from cowl.errors import Corrupt, Invalid
from cowl.layer import attributes, tar_writer
from cowl.layer.packed import Packed
from cowl.layer.tar_fields import NANO
from cowl.layer.walk import by_name, walk
from cowl.layer.whiteout import OPAQUE, OPAQUE_XATTR, OVERLAY_XATTRS, PREFIX, is_whiteout
from cowl.oci.digest import DiffId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.layer.owners import Owners
    from cowl.layer.walk import Entry, Frame

_CHUNK = 1 << 20
_PADDING = bytes(tar_writer.BLOCK)


_KINDS = {
    S_IFLNK: tar_writer.SYMBOLIC_LINK,
    S_IFIFO: tar_writer.FIFO,
    S_IFCHR: tar_writer.CHARACTER,
    S_IFBLK: tar_writer.BLOCK_DEVICE,
}


class TreeChanged(Corrupt):
    """The file at `path` became shorter while its tree was packed."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path!a} changed while its layer was packed")


class ReservedName(Invalid):
    """A layer can't hold what is at `path`: its name would be read as the deletion of another file."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"{path!a} can't be in a layer: a name that starts with {PREFIX.decode()} says that a file was"
            " deleted (OCI image spec, layer.md, Whiteouts)",
            hint="give it another name, or leave it out of the image (.dockerignore)",
        )


def pack(
    diff_dir: str,
    write: Callable[[bytes], object] | None,
    *,
    owners: Owners,
    mtime_clamp: int | None = None,
    clean: bool = True,
) -> Packed:
    """Packs the tree; `write` (None: only hash) is called with consecutive parts of the tar.

    mtime_clamp  no time in the tar is later (seconds since the epoch; SOURCE_DATE_EPOCH)
    clean        also makes of the tree what a layer must be: without xattrs that overlayfs left in it, and
                 for an ordinary user readable, with the mode that closed a file to himself on record
    The tree must be at rest. Without `clean` files and directories that an ordinary user closed to himself
    are opened for the moment. Raises ReservedName, TreeChanged, OSError, and what `write` raises.
    """
    return _Packing(write, owners, mtime_clamp, clean).run(diff_dir)


class _Packing:
    """The making of one tar."""

    def __init__(
        self, write: Callable[[bytes], object] | None, owners: Owners, clamp: int | None, clean: bool
    ) -> None:
        self._write = write
        self._owners = owners
        self._clamp = clamp * NANO if clamp is not None else None
        self._clean = clean
        self._hash = sha256()
        self._total = 0
        self._held: list[bytes] = []
        self._held_size = 0
        self._links: dict[tuple[int, int], tuple[bytes, tuple[int, int, int]]] = {}

    def run(self, diff_dir: str) -> Packed:
        if self._clean:
            self._tidy_root(diff_dir)
        for parent, name, status, inside in walk(diff_dir, _order):
            raw = os.fsencode(name)
            path = os.fsencode(parent.path) + b"/" + raw if parent.path else raw
            if raw.startswith(PREFIX):
                raise ReservedName(os.fsdecode(path))
            if inside:
                self._directory(path, inside)
            elif S_ISREG(status.st_mode):
                self._file(parent, raw, path, status)
            elif is_whiteout(status):
                self._mark(path, raw, status)
            else:
                self._other(parent, raw, path, status)
        self._put(tar_writer.END)
        self._flush()
        return Packed(DiffId("sha256:" + self._hash.hexdigest()), self._total)

    def _tidy_root(self, diff_dir: str) -> None:
        fd = os.open(diff_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._tidy(fd)
        finally:
            os.close(fd)

    def _directory(self, path: bytes, inside: Frame) -> None:
        status = inside.status
        uid, gid, mode = self._owners.read(inside.fd, status)
        if inside.restore >= 0 and self._clean:
            self._owners.apply(inside.fd, uid, gid, mode, directory=True)
            inside.restore = -1
        names = os.listxattr(inside.fd)
        xattrs = attributes.read(inside.fd) if names else ()
        time = self._time(status)
        head = tar_writer.header(path + b"/", tar_writer.DIRECTORY, mode, uid, gid, 0, time, xattrs=xattrs)
        self._put(head)
        if OPAQUE_XATTR in names and os.getxattr(inside.fd, OPAQUE_XATTR) == b"y":
            self._mark_in(path, OPAQUE, time)
        if names and self._clean:
            self._tidy(inside.fd)

    def _mark(self, path: bytes, name: bytes, status: os.stat_result) -> None:
        self._mark_in(path[: -len(name) - 1], PREFIX + name, self._time(status))

    def _mark_in(self, directory: bytes, name: bytes, time: int) -> None:
        """Whiteouts are empty files of root."""
        path = directory + b"/" + name if directory else name
        self._put(tar_writer.header(path, tar_writer.REGULAR, 0o600, 0, 0, 0, time - time % NANO))

    def _file(self, parent: Frame, name: bytes, path: bytes, status: os.stat_result) -> None:
        if self._linked(path, status):
            return
        fd, closed = _open(parent.fd, name, status)
        try:
            owner = self._owners.read(fd, status)
            names = os.listxattr(fd)
            xattrs = attributes.read(fd) if names else ()
            if names and self._clean:
                self._tidy(fd)
            self._entry(path, tar_writer.REGULAR, owner, status, size=status.st_size, xattrs=xattrs)
            if status.st_size:
                self._data(fd, status.st_size, path)
        finally:
            if closed and self._clean:
                self._owners.apply(fd, *self._owners.read(fd, status), directory=False)
            elif closed:
                os.fchmod(fd, S_IMODE(status.st_mode))
            os.close(fd)

    def _data(self, fd: int, size: int, path: bytes) -> None:
        rest = size
        while rest:
            data = os.read(fd, min(rest, _CHUNK))
            if not data:
                raise TreeChanged(os.fsdecode(path))
            rest -= len(data)
            if not rest:
                data += _PADDING[: -size % tar_writer.BLOCK]
            self._put(data)

    def _other(self, parent: Frame, name: bytes, path: bytes, status: os.stat_result) -> None:
        """Symbolic links, FIFOs, devices; not sockets."""
        kind = _KINDS.get(S_IFMT(status.st_mode))
        if kind is None or self._linked(path, status):
            return
        uid, gid, mode = self._owners.read(b"", status)
        if kind == tar_writer.SYMBOLIC_LINK:
            link = os.readlink(name, dir_fd=parent.fd)
            self._entry(path, kind, (uid, gid, 0o777), status, link=link)
        elif kind == tar_writer.FIFO:
            self._entry(path, kind, (uid, gid, mode), status)
        else:
            device = (os.major(status.st_rdev), os.minor(status.st_rdev))
            self._entry(path, kind, (uid, gid, mode), status, device=device)

    def _linked(self, path: bytes, status: os.stat_result) -> bool:
        """Whether another name of the inode came before; then this one is a hard link to it."""
        if status.st_nlink == 1:
            return False
        first = self._links.get((status.st_dev, status.st_ino))
        if first is None:
            return False
        target, owner = first
        self._entry(path, tar_writer.HARD_LINK, owner, status, link=target)
        return True

    def _entry(
        self,
        path: bytes,
        kind: bytes,
        owner: tuple[int, int, int],
        status: os.stat_result,
        *,
        size: int = 0,
        link: bytes = b"",
        device: tuple[int, int] | None = None,
        xattrs: attributes.Attributes = (),
    ) -> None:
        """A header; a hard link repeats the metadata, since some engines apply those of the last name."""
        uid, gid, mode = owner
        if status.st_nlink > 1 and kind != tar_writer.HARD_LINK:
            self._links[status.st_dev, status.st_ino] = path, owner
        time = self._time(status)
        self._put(tar_writer.header(path, kind, mode, uid, gid, size, time, link, device, xattrs))

    def _time(self, status: os.stat_result) -> int:
        time = status.st_mtime_ns
        return time if self._clamp is None else min(time, self._clamp)

    def _tidy(self, fd: int) -> None:
        """Removes overlayfs's notes: about origins, links and times in another stack of layers."""
        for name in os.listxattr(fd):
            if not name.startswith(OVERLAY_XATTRS):
                continue
            if name != OPAQUE_XATTR or os.getxattr(fd, name) != b"y":
                _remove_attribute(fd, name)

    def _put(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self._held_size = 0
        self._hash.update(data)
        self._total += len(data)
        if self._write:
            self._write(data)


def _order(entries: list[Entry]) -> None:
    by_name(entries)
    entries.sort(key=lambda entry: not is_whiteout(entry[1]))


def _remove_attribute(fd: int, name: str) -> None:
    """Its owner needs write permission for that, even on an open file."""
    try:
        os.removexattr(fd, name)
    except PermissionError:
        mode = S_IMODE(os.fstat(fd).st_mode)
        os.fchmod(fd, mode | 0o200)
        try:
            os.removexattr(fd, name)
        finally:
            os.fchmod(fd, mode)


def _open(dir_fd: int, name: bytes, status: os.stat_result) -> tuple[int, bool]:
    """A readable fd, and whether the file had to be opened to its owner: its xattrs need that too."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=dir_fd), False
    except PermissionError:
        os.chmod(name, S_IMODE(status.st_mode) | 0o400, dir_fd=dir_fd)
        return os.open(name, flags, dir_fd=dir_fd), True
