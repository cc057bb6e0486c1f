"""Safe paths: resolved inside a root that others may write to, removed without following a link."""

from __future__ import annotations

import errno
import os
import stat
import struct

from cowl.linux.syscalls import call

RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 0x01, 0x02, 0x04
RESOLVE_BENEATH, RESOLVE_IN_ROOT = 0x08, 0x10

_AGAIN_LIMIT = 1000  # renames on the host can make openat2(2) give up; it then asks to be tried again
_LINK_LIMIT = 40  # as path_resolution(7)
_DEPTH_LIMIT = 100  # open directories that remove_tree holds at once
_BLOCK = 512  # of st_blocks, stat(2)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_beneath(root_fd: int, path: str | bytes, flags: int, mode: int = 0) -> int:
    """Opens `path` as if `root_fd` were "/": links and ".." never lead out of it. Returns a cloexec fd.

    Magic links of procfs are refused (ELOOP). Where openat2(2) is missing, each component is walked
    with O_NOFOLLOW. Raises OSError.
    """
    flags |= os.O_CLOEXEC
    for _ in range(_AGAIN_LIMIT):
        try:
            return openat2(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        except OSError as error:
            if error.errno == errno.ENOSYS:
                return _walk(root_fd, os.fsencode(path), flags, mode)
            if error.errno != errno.EAGAIN:
                raise
    raise OSError(errno.EAGAIN, "the path keeps changing", os.fsdecode(path))


def openat2(dir_fd: int, path: str | bytes, flags: int, mode: int, resolve: int) -> int:
    """openat2(2) with `resolve` of the RESOLVE_ constants. Raises OSError with the path."""
    creating = flags & os.O_CREAT or flags & os.O_TMPFILE == os.O_TMPFILE
    how = struct.pack("QQQ", flags, mode if creating else 0, resolve)
    try:
        return call("openat2", dir_fd, os.fsencode(path) or b".", how, len(how))
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), os.fsdecode(path)) from None


def _walk(root_fd: int, path: bytes, flags: int, mode: int) -> int:
    """The same without openat2: follows links by itself, one component at a time."""
    pending = _components(path)
    trail = [os.dup(root_fd)]
    links = 0
    try:
        while len(pending) > 1 or (pending and pending[-1] == b".."):
            links += _step(trail, pending)
            _check_links(links, path)
        while pending:
            target = _link_at(trail[-1], pending[0])
            if target is None or flags & os.O_NOFOLLOW:
                return os.open(pending[0], flags | os.O_NOFOLLOW, mode, dir_fd=trail[-1])
            pending = _components(target)
            _return_to_root(trail, target)
            links += 1
            _check_links(links, path)
            while len(pending) > 1 or (pending and pending[-1] == b".."):
                links += _step(trail, pending)
                _check_links(links, path)
        return os.open(b".", flags, mode, dir_fd=trail[-1])
    finally:
        for fd in trail:
            os.close(fd)


def _step(trail: list[int], pending: list[bytes]) -> int:
    """Takes the first pending component; returns the number of links that were followed."""
    name = pending.pop(0)
    if name == b"..":
        if len(trail) > 1:
            os.close(trail.pop())
        return 0
    target = _link_at(trail[-1], name)
    if target is None:
        trail.append(os.open(name, os.O_PATH | _DIRECTORY, dir_fd=trail[-1]))
        return 0
    pending[:0] = _components(target)
    _return_to_root(trail, target)
    return 1


def _components(path: bytes) -> list[bytes]:
    return [name for name in path.split(b"/") if name not in (b"", b".")]


def _return_to_root(trail: list[int], target: bytes) -> None:
    if target.startswith(b"/"):
        while len(trail) > 1:
            os.close(trail.pop())


def _link_at(dir_fd: int, name: bytes) -> bytes | None:
    """The target of the symlink `name`, or None when it is something else or missing."""
    try:
        return os.readlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise


def _check_links(count: int, path: bytes) -> None:
    if count > _LINK_LIMIT:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))


def syncfs(fd: int) -> None:
    """Writes the whole file system of `fd` to disk, syncfs(2). An error is fatal: never retry."""
    call("syncfs", fd)


def fsync_dir(path: str) -> None:
    """Makes the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Tally:
    """What removals gave back: `freed_bytes`, blocks on disk of every inode whose last name went.

    Exact when nobody else removes names of the same inodes meanwhile.
    """

    def __init__(self) -> None:
        self.freed_bytes = 0

    def unlink(self, name: str, dir_fd: int) -> None:
        """Unlinks what is no directory."""
        found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        os.unlink(name, dir_fd=dir_fd)
        if found.st_nlink == 1:
            self.freed_bytes += found.st_blocks * _BLOCK


def remove_tree(path: str, tally: Tally | None = None) -> None:
    """Removes a tree, or a single file; missing is fine. Never follows a link, never leaves the tree.

    Copes with directories that their owner may not read or write (overlayfs makes work directories of
    mode 0) and with any depth. Not atomic: an interrupted removal can be repeated. With a `tally` every
    inode is looked at before it goes, and counted.
    """
    parent, name = os.path.split(os.path.abspath(path))
    parent_fd = os.open(parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _remove_top(parent_fd, name, tally)
    except FileNotFoundError:
        pass
    finally:
        os.close(parent_fd)


def _remove_top(parent_fd: int, name: str, tally: Tally | None) -> None:
    found = os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        _unlink(name, parent_fd, tally)
        return
    top_fd = _open_writable(name, parent_fd)
    try:
        while _empty(top_fd, top_fd, 0, tally):
            pass  # what lay too deep was moved up to the top: another round
    finally:
        os.close(top_fd)
    os.rmdir(name, dir_fd=parent_fd)
    if tally is not None:
        tally.freed_bytes += found.st_blocks * _BLOCK


def _unlink(name: str, dir_fd: int, tally: Tally | None) -> None:
    if tally is None:
        os.unlink(name, dir_fd=dir_fd)
    else:
        tally.unlink(name, dir_fd)


def _empty(dir_fd: int, top_fd: int, depth: int, tally: Tally | None) -> bool:
    """Removes what `dir_fd` holds. True when directories had to be moved to `top_fd`."""
    moved = False
    with os.scandir(dir_fd) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in names:
        if not is_directory:
            _unlink(name, dir_fd, tally)
        elif depth >= _DEPTH_LIMIT:
            _move_up(name, dir_fd, top_fd)
            moved = True
        else:
            moved |= _remove_directory(name, dir_fd, top_fd, depth, tally)
    return moved


def _remove_directory(name: str, dir_fd: int, top_fd: int, depth: int, tally: Tally | None) -> bool:
    # before it is emptied: some file systems shrink a directory as its entries go
    blocks = os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_blocks if tally is not None else 0
    moved = False
    try:
        os.rmdir(name, dir_fd=dir_fd)  # most are empty or were just emptied: spares opening them
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES):
            raise
        child = _open_writable(name, dir_fd)
        try:
            moved = _empty(child, top_fd, depth + 1, tally)
        finally:
            os.close(child)
        os.rmdir(name, dir_fd=dir_fd)
    if tally is not None:
        tally.freed_bytes += blocks * _BLOCK
    return moved


def _move_up(name: str, dir_fd: int, top_fd: int) -> None:
    """Renames a directory to a free name in the top one."""
    os.close(_open_writable(name, dir_fd))
    serial = 0
    while True:
        try:
            os.rename(name, f".deep-{serial}", src_dir_fd=dir_fd, dst_dir_fd=top_fd)
            return
        except (FileExistsError, NotADirectoryError):
            serial += 1
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            serial += 1


def _open_writable(name: str, dir_fd: int) -> int:
    """Opens a directory, giving its owner full rights first if it lacks them."""
    handle = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=dir_fd)
    try:
        if os.fstat(handle).st_mode & 0o700 != 0o700:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)
        return os.open(".", _DIRECTORY, dir_fd=handle)
    finally:
        os.close(handle)
