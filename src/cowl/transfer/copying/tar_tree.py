"""A tar made into files of a tree that others may change meanwhile, as `docker cp` does it.

Every file is written under a name of its own and renamed to its place, so that nobody sees a half of it and
no link at its place is followed. What is mounted on (/etc/hosts) can't be replaced and is written in place.
How a directory's path is followed is the landing's business.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFBLK, S_IFCHR, S_ISDIR, S_ISREG

from cowl.layer import tar_entry
from cowl.layer.limits import Limits
from cowl.layer.ownership import apply_with
from cowl.layer.tar_fields import BadLayer
from cowl.layer.tar_reader import TarReader
from cowl.transfer.copying.failures import CannotCopy, DeviceRefused, InTheWay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from cowl.layer.owners import Owners
    from cowl.layer.streams import Readable
    from cowl.layer.tar_entry import Entry

    class Landing(Protocol):
        """Where a tar lands.

        owners   how owners are given
        devices  whether device nodes may be made
        """

        owners: Owners
        devices: bool

        def enter(self, path: bytes) -> int:
            """An O_PATH descriptor, which the caller closes, of a directory below. Raises OSError."""

        def dress(self, entry: Entry) -> tuple[int, int, int]:
            """(uid, gid, permission bits) that the entry is to have."""

        def capable(self, entry: Entry) -> bool:
            """Whether its file capabilities are kept."""


_FOREVER = 1 << 62
LIMITS = Limits(
    entries=_FOREVER, tar_bytes=_FOREVER, file_bytes=_FOREVER, header_bytes=8 << 20, depth=2048
)  # as much as there is room for: it is the caller's own disk, or the container's
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OVER = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 30
_NAME_BYTES = 255


def land(stream: Readable, landing: Landing) -> None:
    """Makes what the uncompressed tar holds. Raises InTheWay, DeviceRefused, CannotCopy, OSError.

    Not atomic as a whole. Directories get modes and times at the end.
    """
    reader = TarReader(stream, LIMITS)
    tree = _Tree(landing, reader)
    try:
        while entry := reader.next():
            tree.put(entry)
        tree.finish()
        reader.finish()
    except BadLayer as problem:
        where = f"{problem.entry}: " if problem.entry else ""
        raise CannotCopy(f"invalid tar: {where}{problem.why}") from problem
    finally:
        tree.close()


class _Tree:
    def __init__(self, landing: Landing, reader: TarReader) -> None:
        self._landing = landing
        self._reader = reader
        self._parent = -1
        self._path: bytes | None = None
        self._directories: list[tuple[bytes, Entry]] = []

    def close(self) -> None:
        if self._parent >= 0:
            os.close(self._parent)
            self._parent = -1

    def put(self, entry: Entry) -> None:
        path = clean(entry.name)
        if not path:
            return  # the directory itself, which stays as it is
        folder, _, name = path.rpartition(b"/")
        try:
            self._make(self._enter(folder), path, name, entry)
        except OSError as problem:
            problem.filename = problem.filename or os.fsdecode(path)
            raise

    def finish(self) -> None:
        for path, entry in reversed(self._directories):
            fd = os.open(b".", _DIRECTORY, dir_fd=self._enter(path))
            try:
                self._settle(fd, entry, directory=True)
                os.utime(fd, ns=(entry.mtime, entry.mtime))
            finally:
                os.close(fd)

    def _enter(self, folder: bytes) -> int:
        if folder != self._path:
            self.close()
            self._path = None
            self._parent = self._landing.enter(folder)
            self._path = folder
        return self._parent

    def _make(self, parent: int, path: bytes, name: bytes, entry: Entry) -> None:
        if entry.type == tar_entry.DIRECTORY:
            self._directory(parent, path, name, entry)
            return
        _check_no_directory(parent, path, name)
        if entry.type == tar_entry.REGULAR:
            self._placed(parent, name, lambda temporary: self._file(parent, temporary, entry))
        elif entry.type == tar_entry.SYMBOLIC_LINK:
            self._placed(parent, name, lambda temporary: self._symlink(parent, temporary, entry))
        elif entry.type == tar_entry.HARD_LINK:
            self._hard_link(parent, path, name, entry)
        elif entry.type == tar_entry.FIFO or entry.type in tar_entry.DEVICES:
            self._placed(parent, name, lambda temporary: self._node(parent, temporary, path, entry))
        else:
            shown = entry.type.decode("latin-1")
            raise BadLayer(entry.name, f"its type {shown!r} has no meaning here")

    def _directory(self, parent: int, path: bytes, name: bytes, entry: Entry) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not S_ISDIR(found.st_mode):
                shown = path.decode("utf-8", "backslashreplace")
                raise InTheWay(f'cannot overwrite non-directory "{shown}" with directory "{shown}"') from None
        self._directories.append((path, entry))

    def _placed(self, parent: int, name: bytes, make: Callable[[bytes], None]) -> None:
        """Makes something under a name of its own, and renames it to its place."""
        temporary = b".cowl-" + os.urandom(8).hex().encode()
        try:
            make(temporary)
            replace(parent, temporary, name)
        except BaseException:
            try:
                os.unlink(temporary, dir_fd=parent)
            except OSError:
                pass
            raise

    def _file(self, parent: int, temporary: bytes, entry: Entry) -> None:
        fd = os.open(temporary, _NEW, 0o600, dir_fd=parent)
        try:
            if entry.size:
                self._reader.copy(entry, fd)
            self._settle(fd, entry, directory=False)
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(fd)

    def _symlink(self, parent: int, temporary: bytes, entry: Entry) -> None:
        if not entry.link:
            raise BadLayer(entry.name, "a symbolic link has no target")
        os.symlink(entry.link, temporary, dir_fd=parent)
        uid, gid, _ = self._landing.dress(entry)
        self._landing.owners.apply_link(temporary, parent, uid, gid)
        os.utime(temporary, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _node(self, parent: int, temporary: bytes, path: bytes, entry: Entry) -> None:
        if entry.type == tar_entry.FIFO:
            os.mkfifo(temporary, 0o600, dir_fd=parent)
        elif self._landing.devices:
            kind = S_IFCHR if entry.type == tar_entry.CHARACTER else S_IFBLK
            os.mknod(temporary, kind | 0o600, os.makedev(*entry.device), dir_fd=parent)
        else:
            shown = path.decode("utf-8", "backslashreplace")
            raise DeviceRefused(
                f"{shown} is a device node, which only root can make, and nobody in a user namespace",
                hint="leave it out; run and create give devices with --device",
            )
        self._landing.owners.apply_node(temporary, parent, *self._landing.dress(entry))
        os.utime(temporary, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _hard_link(self, parent: int, path: bytes, name: bytes, entry: Entry) -> None:
        """To what the tar has brought before, or to what is there; never through a link."""
        target = clean(entry.link)
        if not target or target == path:
            raise BadLayer(entry.name, "a hard link names no other file")
        folder, _, base = target.rpartition(b"/")
        source = self._landing.enter(folder)
        try:

            def link(temporary: bytes) -> None:
                os.link(base, temporary, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)

            self._placed(parent, name, link)
        finally:
            os.close(source)

    def _settle(self, fd: int, entry: Entry, *, directory: bool) -> None:
        xattrs = entry.xattrs
        if xattrs and not self._landing.capable(entry):
            xattrs = tuple(pair for pair in xattrs if pair[0] != b"security.capability")
        owner = self._landing.dress(entry)
        apply_with(self._landing.owners, fd, owner, xattrs, directory=directory)


def clean(name: bytes) -> bytes:
    """The name of an entry below the landing: no "/" at its ends, no "." and "..". Raises BadLayer."""
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise BadLayer(name, "its name leads out of the directory that is copied to")
            parts.pop()
        elif part not in (b"", b"."):
            if len(part) > _NAME_BYTES:
                raise BadLayer(name, f"a part of its name has more than {_NAME_BYTES} bytes")
            parts.append(part)
    if len(parts) > LIMITS.depth:
        raise BadLayer(name, f"it lies more than {LIMITS.depth} directories deep")
    return b"/".join(parts)


def _check_no_directory(parent: int, path: bytes, name: bytes) -> None:
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if S_ISDIR(found.st_mode):
        shown = path.decode("utf-8", "backslashreplace")
        raise InTheWay(f'cannot overwrite directory "{shown}" with non-directory "{shown}"')


def replace(parent: int, temporary: bytes, name: bytes) -> None:
    """Renames a new file to its place, over what is there; what is mounted there is written in place."""
    try:
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError as problem:
        if problem.errno != errno.EBUSY:
            raise
        _overwrite(parent, temporary, name)
    try:
        os.unlink(temporary, dir_fd=parent)  # what was a name of the same inode already is left by rename
    except FileNotFoundError:
        pass


def _overwrite(parent: int, temporary: bytes, name: bytes) -> None:
    source = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    try:
        regular = S_ISREG(os.fstat(source).st_mode)
        target = os.open(name, _OVER, dir_fd=parent) if regular else -1
        if target < 0 or not S_ISREG(os.fstat(target).st_mode):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        try:
            while os.sendfile(target, source, None, _CHUNK):
                pass
        finally:
            os.close(target)
    finally:
        os.close(source)
