"""Where mounts go: descriptors inside a root that an untrusted image has filled."""

from __future__ import annotations

import errno
import os
import stat

from cowl.linux import mounts
from cowl.linux.files import (
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    open_beneath,
    openat2,
)
from cowl.runtime.failures import MountTargetRefused

_STRICT = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
_PATH = os.O_PATH | os.O_CLOEXEC
_DIRECTORY = _PATH | os.O_DIRECTORY
_LINK_LIMIT = 40  # as path_resolution(7)


def directory(root: int, path: str, *, make: bool = False, follow: bool = False) -> int:
    """The directory `path`; `make` makes a missing one, only with `follow` may links lead to it.

    Raises MountTargetRefused for a link or a file in the way, FileNotFoundError.
    """
    try:
        if follow:
            return open_beneath(root, path, _DIRECTORY)
        return openat2(root, path, _DIRECTORY, 0, _STRICT)
    except OSError as error:
        if make and error.errno == errno.ENOENT:
            return make_path(root, path, directory=True)
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise MountTargetRefused(
                f"{path} is not a directory in the image: nothing can be mounted on it"
            ) from None
        raise


def existing(root: int, path: str) -> int:
    """What is at `path`, or -1. A link in the way is an error: nobody puts one into procfs or sysfs."""
    try:
        return openat2(root, path, _PATH, 0, _STRICT)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return -1
        raise


def writable(root: int, path: str) -> int:
    """An existing file, opened to be written; no link leads to it."""
    return openat2(root, path, os.O_WRONLY | os.O_CLOEXEC, 0, _STRICT)


def new_file(root: int, path: str) -> int:
    """A file that was not there before."""
    return openat2(root, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, _STRICT)


def make_path(root: int, path: str, *, directory: bool) -> int:
    """Makes what is missing of `path`, also where links dangle, inside the root; opens it (O_PATH)."""
    names = resolved(root, path)
    for count in range(1, len(names) + directory):
        _make_directory(root, "/".join(names[:count]))
    plain = "/".join(names)
    if not directory:
        os.close(open_beneath(root, plain, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    return open_beneath(root, plain, _PATH)


def resolved(root: int, path: str) -> list[str]:
    """The components of `path`, its links followed as if all that they name were there. Raises OSError."""
    done: list[str] = []
    pending = path.split("/")
    links = 0
    while pending:
        name = pending.pop(0)
        if name == "..":
            del done[-1:]
        elif name not in ("", "."):
            points_to = _link(root, "/".join(done), name)
            if not points_to:
                done.append(name)
                continue
            links += 1
            if links > _LINK_LIMIT:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            pending[:0] = points_to.split("/")
            done = [] if points_to.startswith("/") else done
    return done


def _link(root: int, parent: str, name: str) -> str:
    """Where the symlink `name` points to; "" when it is none, or missing. Never a magic link."""
    try:
        parent_fd = open_beneath(root, parent, _DIRECTORY)
    except FileNotFoundError:
        return ""
    try:
        if mounts.filesystem_magic(parent_fd) == mounts.PROC_MAGIC:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)  # nothing is made there
        return os.readlink(name, dir_fd=parent_fd)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):
            return ""
        raise
    finally:
        os.close(parent_fd)


def _make_directory(root: int, path: str) -> None:
    parent, _, name = path.rpartition("/")
    parent_fd = open_beneath(root, parent, _DIRECTORY)
    try:
        os.mkdir(name, 0o755, dir_fd=parent_fd)
    except FileExistsError:
        pass
    finally:
        os.close(parent_fd)


def is_directory(fd: int) -> bool:
    """Whether an open descriptor is a directory."""
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def attach(tree: int, target: int) -> None:
    """Mounts a detached tree on an open target, and closes both."""
    try:
        mounts.attach(tree, target)
    finally:
        os.close(tree)
        os.close(target)
