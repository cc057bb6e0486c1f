"""Trees and files of elsewhere, attached inside a root that an untrusted image has filled."""

from __future__ import annotations

import errno
import os

from cowl.linux import mounts
from cowl.linux.files import open_beneath
from cowl.runtime import targets
from cowl.runtime.failures import MountTargetRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.runtime.operations import BindMemory, BindOverlay, Source

_PATH = os.O_PATH | os.O_CLOEXEC
_PATH_DIR = _PATH | os.O_DIRECTORY
_KERNEL_MAGICS = (mounts.PROC_MAGIC, mounts.SYSFS_MAGIC, mounts.CGROUP2_MAGIC)
_SECRET = mounts.READ_ONLY | mounts.NO_SUID | mounts.NO_DEV | mounts.NO_EXEC


def bind(root: int, tree: int, path: str, attributes: int, shown: str) -> None:
    """Attaches the detached mount `tree` at `path` of the root, which is made if missing; closes it.

    shown  what the mount is, for messages
    Raises MountTargetRefused where a link leads into a file system of the kernel's, through one of its own
    links or to the root itself, or the kinds differ.
    """
    directory = targets.is_directory(tree)
    try:
        target = open_beneath(root, path, _PATH)
    except FileNotFoundError:
        target = targets.make_path(root, path, directory=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise MountTargetRefused(
                f"the bind target {path} leads through a link of the kernel's, or in a circle"
            ) from None
        raise
    if mounts.filesystem_magic(target) in _KERNEL_MAGICS:
        raise MountTargetRefused(f"the bind target {path} leads into a file system of the kernel")
    if os.path.samestat(os.fstat(root), os.fstat(target)):
        raise MountTargetRefused(f"the bind target {path} leads to the root of the container")
    if directory != targets.is_directory(target):
        raise MountTargetRefused(f"can't bind {shown} on {path}: one is a directory and the other is not")
    mounts.set_attributes(tree, attributes, recursive=True)
    targets.attach(tree, target)


def open_source(source: Source) -> int:
    """A detached copy of the mount that a source is on, from the source down. Raises OSError."""
    if not source.subpath:
        tree = mounts.clone_tree(source.path, recursive=source.recursive)
    else:
        tree = _open_part(source)
    if source.spread:
        mounts.set_spread(tree, source.spread)
    return tree


def _open_part(source: Source) -> int:
    whole = os.open(source.path, _PATH_DIR)
    try:
        part = open_beneath(whole, source.subpath, _PATH)
    finally:
        os.close(whole)
    try:
        return mounts.clone_fd(part, recursive=source.recursive)
    finally:
        os.close(part)


def mount_overlay(scratch: int, name: str, lowers: tuple[str, ...], upper: str, work: str) -> int:
    """Mounts collected trees on the new directory `name` of the scratch, the working directory; opens it."""
    os.mkdir(name, 0o700)
    if not upper and len(lowers) == 1:
        _make_directory("empty")  # overlayfs wants two trees when there is no upper
        lowers = (*lowers, "empty")
    mounts.mount_overlay(name, lowers, upper, work)
    return os.open(name, _PATH_DIR, dir_fd=scratch)


def _make_directory(name: str) -> None:
    try:
        os.mkdir(name, 0o755)
    except FileExistsError:
        pass


def overlay_tree(scratch: int, step: BindOverlay) -> int:
    """The detached mount of what `step` names; links of the other tree stay inside it."""
    merged = mount_overlay(scratch, step.name, step.lowers, step.upper, step.work)
    part = open_beneath(merged, step.subpath, _PATH)
    try:
        return mounts.clone_fd(part)
    finally:
        os.close(part)
        os.close(merged)


def memory_file(scratch: int, step: BindMemory) -> int:
    """The detached read-only mount of a file that is made in the scratch, which is a tmpfs."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = os.open(step.name, flags, 0o600, dir_fd=scratch)
    try:
        rest = memoryview(step.data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        _own(fd, step.uid, step.gid)
        os.fchmod(fd, step.mode)
        tree = mounts.clone_fd(fd)
    finally:
        os.close(fd)
    mounts.set_attributes(tree, _SECRET)
    return tree


def _own(fd: int, uid: int, gid: int) -> None:
    """Its owner, where the namespace has such an id: with one id alone there is only that one."""
    try:
        os.fchown(fd, uid, gid)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
