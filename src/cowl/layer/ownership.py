"""Who owns a layer's files on disk: the image's own ids, or the caller with the ids on record.

Owners of both kinds have the methods of `cowl.layer.owners.Owners`. `RecordedOwners` writes
containers/storage's `user.containers.override_stat` (linux.override_stat has the format). The kernel
allows `user.*` xattrs on regular files and directories only, so symlinks, FIFOs and sockets carry no
record: they read as 0:0. The recipe of an unpacked layer keeps their true owners for its tar.
"""

from __future__ import annotations

import errno
import os
from stat import S_ISDIR, S_ISLNK, S_ISREG

from cowl.errors import Denied
from cowl.linux.override_stat import (
    READABLE_DIRECTORY,
    READABLE_FILE,
    XATTR,
    BadOverrideStat,
    OverrideStat,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.attributes import Attributes
    from cowl.layer.owners import Owners
    from cowl.layer.whiteout import Where

_ABSENT = (errno.ENODATA, errno.ENOTSUP, errno.EPERM)


class OwnerNotMapped(Denied):
    """The kernel won't let root give a file to `uid`:`gid`: they don't exist in this user namespace."""

    def __init__(self, uid: int, gid: int) -> None:
        self.uid, self.gid = uid, gid
        super().__init__(
            f"can't give a file to {uid}:{gid}: these ids are not mapped in this user namespace",
            hint="run cowl outside the user namespace, or as an ordinary user inside it",
        )


def for_euid(euid: int) -> Owners:
    """The way of ownership for a caller: root keeps real ids, an ordinary user records them."""
    return RealOwners() if euid == 0 else RecordedOwners()


class RealOwners:
    """Files belong to the image's ids and have the image's modes. Needs CAP_CHOWN."""

    recorded = False

    def apply(self, fd: int, uid: int, gid: int, mode: int, *, directory: bool) -> None:  # noqa: ARG002
        """Sets owner and permission bits of an open file or directory, set-id bits included."""
        try:
            os.fchown(fd, uid, gid)
        except OSError as error:
            _check_mapped(error, uid, gid)
            raise
        os.fchmod(fd, mode)

    def apply_node(self, name: str | bytes, dir_fd: int | None, uid: int, gid: int, mode: int) -> None:
        """The same for a FIFO or socket, which must not be opened. `name` must not be a symlink."""
        _give(name, dir_fd, uid, gid)
        os.chmod(name, mode, dir_fd=dir_fd)

    def apply_link(self, name: str | bytes, dir_fd: int | None, uid: int, gid: int) -> None:
        """Sets the owner of a symlink itself; it has no mode of its own."""
        _give(name, dir_fd, uid, gid)

    def read(self, where: Where, status: os.stat_result) -> tuple[int, int, int]:  # noqa: ARG002
        """uid, gid and permission bits (0o7777) in the image of a node with this lstat."""
        return status.st_uid, status.st_gid, status.st_mode & 0o7777


class RecordedOwners:
    """Files belong to the caller, who can always read them; a record holds what the image says.

    What is 0:0 and has the bits that it has on disk needs no record.
    """

    recorded = True

    def apply(self, fd: int, uid: int, gid: int, mode: int, *, directory: bool) -> None:
        """Records owner and permission bits of an open file or directory, and sets the bits."""
        kept = mode | (READABLE_DIRECTORY if directory else READABLE_FILE)
        if uid or gid or kept != mode:
            self._record(fd, OverrideStat(uid, gid, mode).format())
        else:
            self._forget(fd)
        os.fchmod(fd, kept)

    def _record(self, fd: int, value: bytes) -> None:
        try:
            os.setxattr(fd, XATTR, value)
        except PermissionError:  # the owner needs write permission on the inode for user.* xattrs
            os.fchmod(fd, 0o700)
            os.setxattr(fd, XATTR, value)

    def _forget(self, fd: int) -> None:
        try:
            if XATTR in os.listxattr(fd):
                os.removexattr(fd, XATTR)
        except PermissionError:
            os.fchmod(fd, 0o700)
            os.removexattr(fd, XATTR)

    def apply_node(
        self,
        name: str | bytes,
        dir_fd: int | None,
        uid: int,  # noqa: ARG002
        gid: int,  # noqa: ARG002
        mode: int,
    ) -> None:
        """Sets the permission bits of a FIFO or socket; its owner can't be recorded."""
        os.chmod(name, mode, dir_fd=dir_fd)

    def apply_link(self, name: str | bytes, dir_fd: int | None, uid: int, gid: int) -> None:
        """Nothing: a symlink takes no record."""

    def read(self, where: Where, status: os.stat_result) -> tuple[int, int, int]:
        """uid, gid and permission bits in the image; 0:0 and the bits on disk without a (sound) record.

        `where` is the node's path (not followed) or an open fd.
        """
        bits = status.st_mode & 0o7777
        directory = S_ISDIR(status.st_mode)
        if not directory and not S_ISREG(status.st_mode):
            return 0, 0, bits
        try:
            record = OverrideStat.parse(_value(where))
        except BadOverrideStat:  # a container may write what it likes
            return 0, 0, bits
        except OSError as error:
            if error.errno in _ABSENT:
                return 0, 0, bits
            raise
        return record.uid, record.gid, record.mode_now(bits, directory=directory)


def apply_path(owners: Owners, path: str | bytes, uid: int, gid: int, mode: int) -> None:
    """Sets owner and bits of whatever stands at `path`, in a tree that nobody else writes to."""
    kind = os.lstat(path).st_mode
    if S_ISLNK(kind):
        owners.apply_link(path, None, uid, gid)
    elif S_ISREG(kind) or S_ISDIR(kind):
        _apply_opened(owners, path, kind, (uid, gid, mode))
    else:
        owners.apply_node(path, None, uid, gid, mode)


def apply_with(
    owners: Owners, fd: int, owner: tuple[int, int, int], xattrs: Attributes, *, directory: bool
) -> None:
    """Sets uid, gid and permission bits, and the xattrs that layers keep, of an open file or directory.

    An ordinary user may write attributes only before the mode; root only after the owner, since giving
    a file away takes its capabilities.
    """
    from cowl.layer import attributes

    if owners.recorded:
        attributes.write(fd, xattrs, privileged=False)
    owners.apply(fd, *owner, directory=directory)
    if not owners.recorded:
        attributes.write(fd, xattrs, privileged=True)


def _apply_opened(owners: Owners, path: str | bytes, kind: int, owner: tuple[int, int, int]) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags)
    except PermissionError:
        os.chmod(path, 0o700)
        fd = os.open(path, flags)
    try:
        owners.apply(fd, *owner, directory=S_ISDIR(kind))
    finally:
        os.close(fd)


def _give(name: str | bytes, dir_fd: int | None, uid: int, gid: int) -> None:
    try:
        os.chown(name, uid, gid, dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        _check_mapped(error, uid, gid)
        raise


def _check_mapped(error: OSError, uid: int, gid: int) -> None:
    if error.errno == errno.EINVAL:
        raise OwnerNotMapped(uid, gid) from error


def _value(where: Where) -> bytes:
    if isinstance(where, int):
        return os.getxattr(where, XATTR)
    return os.getxattr(where, XATTR, follow_symlinks=False)
