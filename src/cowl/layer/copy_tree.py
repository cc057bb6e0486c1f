"""A tree in diff form copied as it lies on disk: for a layer made of what a container still writes to.

Blocks are shared where the file system can (FICLONE), holes stay holes, and names of one inode stay names
of one. Owners, modes, times and records of owners are taken over; of overlayfs's own notes only that a
directory is opaque, the others speak of another place.
"""

from __future__ import annotations

import errno
import fcntl
import os
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG

from cowl.layer.walk import walk
from cowl.layer.whiteout import OPAQUE_XATTR, OVERLAY_XATTRS, is_whiteout, make_whiteout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.walk import Frame

_FICLONE = 0x40049409  # ioctl_ficlonerange(2)
_NO_CLONE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM)
_CHUNK = 1 << 26
_BLOCK = 512  # of st_blocks, stat(2)
_SECURITY, _CAPABILITY = "security.", "security.capability"


def copy_tree(source: str, target: str) -> None:
    """Copies all of the directory `source`, and what it is itself, into the empty directory `target`.

    What changes meanwhile is copied as it was or as it is; nothing outside is ever read or written. Files
    that an ordinary user closed to himself are opened for the moment. Raises OSError.
    """
    _Copy(source, target).run()


class _Copy:
    def __init__(self, source: str, target: str) -> None:
        self._source = source
        self._target = target
        self._links: dict[tuple[int, int], str] = {}
        self._directories: list[tuple[str, os.stat_result]] = []
        self._clones = True
        self._root = os.geteuid() == 0

    def run(self) -> None:
        top = os.open(self._source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._dress(top, self._target)
            self._directories.append((self._target, os.fstat(top)))
            for parent, name, status, inside in walk(self._source, None):
                path = f"{self._target}/{parent.path}/{name}" if parent.path else f"{self._target}/{name}"
                self._node(parent, name, status, inside, path)
        finally:
            os.close(top)
        for path, status in reversed(self._directories):
            os.chmod(path, S_IMODE(status.st_mode))
            _keep_times(path, status)

    def _node(
        self, parent: Frame, name: str, status: os.stat_result, inside: Frame | None, path: str
    ) -> None:
        if S_ISDIR(status.st_mode):
            if inside is not None:  # else it went while we looked
                os.mkdir(path, 0o700)
                self._dress(inside.fd, path)
                self._directories.append((path, status))
            return
        if self._linked(status, path):
            return
        try:
            if S_ISREG(status.st_mode):
                self._file(parent, name, status, path)
            elif S_ISLNK(status.st_mode):
                os.symlink(os.readlink(name, dir_fd=parent.fd), path)
                self._own(path, status)
            elif is_whiteout(status):
                make_whiteout(path)
                self._own(path, status)
            else:
                self._special(status, path)
        except FileNotFoundError:
            if os.path.lexists(path):
                raise
            return  # it went while we looked
        _keep_times(path, status)
        if status.st_nlink > 1:
            self._links[status.st_dev, status.st_ino] = path

    def _linked(self, status: os.stat_result, path: str) -> bool:
        """Whether another name of the inode came before; then this one is made a name of its copy."""
        first = self._links.get((status.st_dev, status.st_ino)) if status.st_nlink > 1 else None
        if first is None:
            return False
        os.link(first, path, follow_symlinks=False)
        return True

    def _special(self, status: os.stat_result, path: str) -> None:
        """FIFOs, sockets and root's devices."""
        os.mknod(path, status.st_mode, status.st_rdev)
        self._own(path, status)
        os.chmod(path, S_IMODE(status.st_mode))

    def _own(self, path: str, status: os.stat_result) -> None:
        if self._root and (status.st_uid or status.st_gid):
            os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)

    def _file(self, parent: Frame, name: str, status: os.stat_result, path: str) -> None:
        fd, closed = _open(parent.fd, name)
        try:
            copy = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                now = os.fstat(fd)
                self._data(fd, copy, now)
                self._attributes(fd, copy, now)
                os.fchmod(copy, S_IMODE(status.st_mode))
            finally:
                os.close(copy)
        finally:
            if closed:
                os.fchmod(fd, S_IMODE(status.st_mode))
            os.close(fd)

    def _data(self, source: int, target: int, status: os.stat_result) -> None:
        if not status.st_size:
            return
        if self._clones:
            try:
                fcntl.ioctl(target, _FICLONE, source)
                return
            except OSError as problem:
                if problem.errno not in _NO_CLONE:
                    raise
                self._clones = False
        size, at = status.st_size, 0
        if status.st_blocks * _BLOCK >= size:  # no holes
            at = _copy_range(source, target, 0, size)
        while at < size:
            start, end = _next_data(source, at, size)
            at = _copy_range(source, target, start, end)
        if os.fstat(target).st_size != size:
            os.ftruncate(target, size)

    def _dress(self, source: int, path: str) -> None:
        """Owner and attributes of a directory; its mode and times come when it is full."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._attributes(source, fd, os.fstat(source))
        finally:
            os.close(fd)

    def _attributes(self, source: int, target: int, status: os.stat_result) -> None:
        """Owner first: giving a file away takes its capabilities."""
        if self._root and (status.st_uid or status.st_gid):
            os.fchown(target, status.st_uid, status.st_gid)
        for name in os.listxattr(source):
            if _is_kept(name) and (self._root or name != _CAPABILITY):
                os.setxattr(target, name, os.getxattr(source, name))


def _is_kept(name: str) -> bool:
    if name.startswith(OVERLAY_XATTRS):
        return name == OPAQUE_XATTR
    return name.startswith("user.") or name == _CAPABILITY


def _open(dir_fd: int, name: str) -> tuple[int, bool]:
    """A readable fd of a regular file, and whether it had to be opened to its owner for that.

    Raises FileNotFoundError when something else has taken its place: a container may work there.
    """
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    except PermissionError:
        return _open_closed(dir_fd, name), True
    except OSError as problem:
        if problem.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket, a whiteout
            raise _gone(name) from problem
        raise
    if S_ISREG(os.fstat(fd).st_mode):
        return fd, False
    os.close(fd)
    raise _gone(name)


def _open_closed(dir_fd: int, name: str) -> int:
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        mode = os.fstat(handle).st_mode
        if not S_ISREG(mode):
            raise _gone(name)
        os.chmod(f"/proc/self/fd/{handle}", S_IMODE(mode) | 0o400)
        return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(handle)


def _gone(name: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def _next_data(fd: int, at: int, size: int) -> tuple[int, int]:
    """The next run of data from `at` on; an empty one at the end if only a hole is left."""
    try:
        start = os.lseek(fd, at, os.SEEK_DATA)
        return start, os.lseek(fd, start, os.SEEK_HOLE)
    except OSError as problem:
        if problem.errno == errno.ENXIO:
            return size, size
        if problem.errno == errno.EINVAL:  # a file system that knows of no holes
            return at, size
        raise


def _copy_range(source: int, target: int, start: int, end: int) -> int:
    """Copies bytes in the kernel; where it stopped: the end of the file may have come nearer."""
    while start < end:
        try:
            done = os.copy_file_range(source, target, min(end - start, _CHUNK), start, start)
        except OSError as problem:
            if problem.errno not in _NO_CLONE:
                raise
            done = os.pwrite(target, os.pread(source, min(end - start, 1 << 20), start), start)
        if not done:
            return 1 << 62
        start += done
    return end


def _keep_times(path: str, status: os.stat_result) -> None:
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
