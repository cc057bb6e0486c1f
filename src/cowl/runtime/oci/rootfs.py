"""The mounts of a container by its config.json, made in its own mount namespace, below its root.

Every target is reached by openat2(2) below the root, whatever links lie in the way, and made if missing.
"""

from __future__ import annotations

import errno
import os
import stat

from cowl.linux import mounts
from cowl.linux.descriptors import open_device
from cowl.linux.files import open_beneath
from cowl.runtime import targets
from cowl.runtime.failures import MountTargetRefused, StepFailed
from cowl.runtime.mount_plan import DEVICES, LINKS
from cowl.runtime.oci.copy_up import copy_up
from cowl.runtime.oci.mount_words import PRIVATE, PROPAGATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.runtime.oci.config import Device, OciConfig
    from cowl.runtime.oci.mount_words import MountWords

_PATH = os.O_PATH | os.O_CLOEXEC
_DIRECTORY = _PATH | os.O_DIRECTORY
_CGROUPS = ("cgroup", "cgroup2")
# What lxcfs and others give of procfs, as runc allows it.
_OF_PROC = (
    *("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo", "net/dev"),
    *("sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"),
)
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


class Rootfs:
    """A container's root while it is put together."""

    def __init__(self, config: OciConfig, tree: int, binds: dict[int, int]) -> None:
        """`tree` is the root, attached; `binds` are detached trees by the numbers of their mounts."""
        self.root = tree
        self.null = -1
        self._config = config
        self._binds = binds

    def mount_all(self) -> None:
        """All mounts in order, then the devices. Raises StepFailed, MountTargetRefused."""
        for number, words in enumerate(self._config.mounts):
            try:
                self._mount(number, words)
            except OSError as error:
                what = f"{words.kind or 'bind'} at {words.target}"
                raise StepFailed(f"can't mount {what}: {error.strerror}") from error
        if not any(words.bind and words.target == "/dev" for words in self._config.mounts):
            self._make_devices()
        else:
            self.null = open_beneath(self.root, "/dev/null", _PATH)

    def _mount(self, number: int, words: MountWords) -> None:
        if words.kind == "mqueue" and "ipc" not in self._config.new and not words.bind:
            raise StepFailed("an mqueue needs an ipc namespace of the container's own")
        tree, directory = self._tree(number, words)
        was_there = self._has(words.target)
        target = self._target(words, directory)
        self._set_up(tree, words)
        if words.copy_up and was_there:
            source = open_beneath(self.root, words.target, os.O_RDONLY | os.O_DIRECTORY)
            top = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)
            copy_up(source, top)
            os.close(source)
            os.close(top)
        targets.attach(tree, target)
        if words.propagation:
            placed = open_beneath(self.root, words.target, _PATH)
            mounts.change(placed, 0, 0, PROPAGATION[words.propagation], recursive=words.deep)
            os.close(placed)

    def _tree(self, number: int, words: MountWords) -> tuple[int, bool]:
        """What is to be attached, and whether it is a directory."""
        if words.bind:
            tree = self._binds[number] if number in self._binds else open_source(words)
            return tree, targets.is_directory(tree)
        if words.kind in _CGROUPS:
            return self._cgroups(words), True
        if words.kind == "sysfs":
            return self._sysfs(words), True
        source = "" if words.source == words.kind else words.source
        return mounts.new_filesystem(words.kind, words.data, words.attributes, source), True

    def _sysfs(self, words: MountWords) -> int:
        """sysfs shows a network namespace, and only its owner may mount it: else the host's as it is."""
        try:
            return mounts.new_filesystem("sysfs", words.data, words.attributes)
        except OSError as error:
            if error.errno != errno.EPERM or "network" in self._config.new:
                raise
            return mounts.clone_tree("/sys", recursive=True)

    def _cgroups(self, words: MountWords) -> int:
        """The container's own hierarchy (version 2), or an empty directory where there are several."""
        unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        if unified and "cgroup" in self._config.new:
            return mounts.new_filesystem("cgroup2", (), words.attributes)
        if unified:
            return mounts.clone_tree("/sys/fs/cgroup", recursive=True)
        return mounts.new_filesystem("tmpfs", (("mode", "0755"),), words.attributes)

    def _set_up(self, tree: int, words: MountWords) -> None:
        if words.bind:
            mounts.change(tree, 0, 0, PRIVATE, recursive=True)
            if words.attributes or words.cleared:
                mounts.change(tree, words.attributes, words.cleared)
        if words.all_attributes or words.all_cleared:
            mounts.change(tree, words.all_attributes, words.all_cleared, recursive=True)

    def _has(self, path: str) -> bool:
        try:
            os.close(open_beneath(self.root, path, _PATH))
        except FileNotFoundError:
            return False
        return True

    def _target(self, words: MountWords, directory: bool) -> int:
        """Where it goes; made if missing. Never into procfs, but for what others give of it."""
        try:
            target = open_beneath(self.root, words.target, _PATH)
        except FileNotFoundError:
            target = targets.make_path(self.root, words.target, directory=directory)
        if words.target == "/":
            raise MountTargetRefused("nothing can be mounted on the root of the container")
        if words.kind in ("proc", "sysfs") and not words.bind:
            self._check_kernel_target(words)
        if mounts.filesystem_magic(target) == mounts.PROC_MAGIC and not _is_allowed_in_proc(words):
            raise MountTargetRefused(f"{words.target} leads into a procfs: nothing is mounted there")
        if targets.is_directory(target) != directory:
            raise MountTargetRefused(f"can't mount on {words.target}: one is a directory, the other is not")
        return target

    def _check_kernel_target(self, words: MountWords) -> None:
        """No link leads to where the kernel's file systems go: the masks rely on it."""
        os.close(targets.directory(self.root, words.target))

    # -- devices ------------------------------------------------------------------------------------

    def _make_devices(self) -> None:
        own = {device.path for device in self._config.devices}
        for name, major, minor in DEVICES:
            self._bind_device(f"/dev/{name}", major, minor, skip=f"/dev/{name}" in own)
        for device in self._config.devices:
            self._make_device(device)
        for name, points_to in LINKS:
            self._link(f"/dev/{name}", points_to)

    def _bind_device(self, path: str, major: int, minor: int, *, skip: bool) -> None:
        fd = open_device(path, major, minor)
        if path == "/dev/null":
            self.null = os.dup(fd)
        if not skip:
            self._put(path, mounts.clone_fd(fd))
        os.close(fd)

    def _make_device(self, device: Device) -> None:
        """A node of its own where we may make one, else the host's, if it is that one."""
        parent, _, name = device.path.rpartition("/")
        folder = self._directory(parent)
        kind, number = _KINDS[device.kind], os.makedev(device.major, device.minor)
        try:
            os.mknod(name, kind | device.mode, 0 if device.kind == "p" else number, dir_fd=folder)
            os.chown(name, device.uid, device.gid, dir_fd=folder, follow_symlinks=False)
            fd = os.open(name, _PATH | os.O_NOFOLLOW, dir_fd=folder)
            os.chmod(f"/proc/self/fd/{fd}", device.mode)
            os.close(fd)
        except FileExistsError:
            raise StepFailed(f"linux.devices: {device.path} exists in the container") from None
        except PermissionError:
            self._bind_node(device, kind, number)
        finally:
            os.close(folder)

    def _bind_node(self, device: Device, kind: int, number: int) -> None:
        fd = os.open(device.path, _PATH | os.O_NOFOLLOW)
        status = os.fstat(fd)
        if stat.S_IFMT(status.st_mode) != kind or status.st_rdev != number:
            raise StepFailed(f"linux.devices: {device.path} is another device on the host")
        self._put(device.path, mounts.clone_fd(fd))
        os.close(fd)

    def _put(self, path: str, tree: int) -> None:
        """Attaches a file's mount where there is a file, or none yet."""
        try:
            target = targets.new_file(self.root, path)
        except FileExistsError:
            target = open_beneath(self.root, path, _PATH)
        except FileNotFoundError:
            target = targets.make_path(self.root, path, directory=False)
        targets.attach(tree, target)

    def put_console(self, slave: int) -> None:
        """The terminal as /dev/console."""
        self._put("/dev/console", mounts.clone_fd(slave))

    def _link(self, path: str, points_to: str) -> None:
        parent, _, name = path.rpartition("/")
        folder = self._directory(parent)
        try:
            os.symlink(points_to, name, dir_fd=folder)
        except FileExistsError:
            pass
        finally:
            os.close(folder)

    def _directory(self, path: str) -> int:
        try:
            return open_beneath(self.root, path, _DIRECTORY)
        except FileNotFoundError:
            return targets.make_path(self.root, path, directory=True)


def open_source(words: MountWords) -> int:
    """The detached tree of a bind. Raises OSError."""
    return mounts.clone_tree(words.source, recursive=words.recursive)


def _is_allowed_in_proc(words: MountWords) -> bool:
    if words.kind == "proc" and not words.bind:
        return True
    return words.target.removeprefix("/proc/") in _OF_PROC
