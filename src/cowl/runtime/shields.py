"""What keeps a container from the kernel's files: masks, read-only paths, and the sysctls set before.

Everything is reached from a descriptor of the root, so no link of an image leads astray.
"""

from __future__ import annotations

import os

from cowl.linux import mounts
from cowl.runtime import targets
from cowl.runtime.failures import MountTargetRefused

_GUARDED = mounts.READ_ONLY | mounts.NO_SUID | mounts.NO_DEV | mounts.NO_EXEC


def mask_path(root: int, null: int, path: str) -> None:
    """Hides a path, if it exists: a file under `null` (/dev/null), a directory under nothing."""
    target = targets.existing(root, path)
    if target < 0:
        return
    if targets.is_directory(target):
        tree = mounts.new_filesystem("tmpfs", (("nr_inodes", "1"),), _GUARDED)
    else:
        tree = mounts.clone_fd(null)
    targets.attach(tree, target)


def protect_path(root: int, path: str) -> None:
    """Makes a path read-only, if it exists, with all mounts below it."""
    target = targets.existing(root, path)
    if target < 0:
        return
    tree = mounts.clone_fd(target, recursive=True)
    mounts.set_attributes(tree, mounts.READ_ONLY, recursive=True)
    targets.attach(tree, target)


def write_sysctl(root: int, name: str, value: str) -> None:
    """Sets a parameter of the container's own namespaces. Raises OSError, MountTargetRefused."""
    fd = targets.writable(root, f"/proc/sys/{name.replace('.', '/')}")
    try:
        if mounts.filesystem_magic(fd) != mounts.PROC_MAGIC:
            raise MountTargetRefused(f"the sysctl {name} is not in a procfs")
        os.write(fd, value.encode())
    finally:
        os.close(fd)
