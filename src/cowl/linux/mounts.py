"""Mounts by file descriptor: trees are cloned, changed while detached, then attached.

The calls are those of fsopen(2), open_tree(2), mount_setattr(2) and move_mount(2). A target is a
descriptor that was opened and checked before, so nobody can swap a path in between.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from cowl.linux.syscalls import call

READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, STRICT_ATIME = 0x01, 0x02, 0x04, 0x08, 0x20  # MOUNT_ATTR_*
ATTRIBUTES = {"ro": READ_ONLY, "nosuid": NO_SUID, "nodev": NO_DEV, "noexec": NO_EXEC}

SPREADS = {"private": 1 << 18, "slave": 1 << 19, "shared": 1 << 20}  # MS_PRIVATE, MS_SLAVE, MS_SHARED

_IDMAP = 0x00100000  # MOUNT_ATTR_IDMAP
_CWD = -100  # AT_FDCWD
_EMPTY_PATH, _RECURSIVE = 0x1000, 0x8000  # AT_*
_CLONE = 1  # OPEN_TREE_CLONE
_FROM_EMPTY, _TO_EMPTY = 0x04, 0x40  # MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH
_SET_FLAG, _SET_STRING, _CREATE = 0, 1, 6  # FSCONFIG_*
_CLOEXEC = 1  # FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
_MNT_DETACH = 2

PROC_MAGIC, SYSFS_MAGIC, DEVPTS_MAGIC, CGROUP2_MAGIC = 0x9FA0, 0x62656572, 0x1CD1, 0x63677270


class MountError(OSError):
    """A mount call failed; `strerror` carries what the file system said about it."""


def clone_tree(path: str, *, recursive: bool = False) -> int:
    """A detached copy of the mount that `path` is on, from `path` down. Returns a cloexec fd."""
    flags = _CLONE | os.O_CLOEXEC | (_RECURSIVE if recursive else 0)
    return call("open_tree", _CWD, os.fsencode(path), flags)


def clone_fd(fd: int, *, recursive: bool = False) -> int:
    """The same for what an open descriptor refers to."""
    flags = _CLONE | os.O_CLOEXEC | _EMPTY_PATH | (_RECURSIVE if recursive else 0)
    return call("open_tree", fd, b"", flags)


def set_attributes(fd: int, attributes: int, *, recursive: bool = False) -> None:
    """Adds READ_ONLY, NO_SUID, ... to a mount."""
    _setattr(fd, struct.pack("QQQQ", attributes, 0, 0, 0), recursive)


def set_spread(fd: int, word: str) -> None:
    """Whether a detached mount, with those below it, hears of mounts elsewhere: one of SPREADS."""
    _setattr(fd, struct.pack("QQQQ", 0, 0, SPREADS[word], 0), recursive=True)


def change(fd: int, add: int, remove: int, propagation: int = 0, *, recursive: bool = False) -> None:
    """Adds and removes MOUNT_ATTR_* of a mount, and sets its propagation (an MS_*); 0 leaves that."""
    _setattr(fd, struct.pack("QQQQ", add, remove, propagation, 0), recursive)


def set_idmap(fd: int, userns_fd: int, *, recursive: bool = False) -> None:
    """Idmaps a detached mount: id N on disk is id N of the user namespace. Needs kernel 5.12."""
    _setattr(fd, struct.pack("QQQQ", _IDMAP, 0, 0, userns_fd), recursive)


def _setattr(fd: int, attr: bytes, recursive: bool) -> None:
    call("mount_setattr", fd, b"", _EMPTY_PATH | (_RECURSIVE if recursive else 0), attr, len(attr))


def attach(tree_fd: int, target_fd: int, name: str = "") -> None:
    """Attaches a detached mount on the directory or file `target_fd`, or on `name` in it."""
    flags = _FROM_EMPTY | (0 if name else _TO_EMPTY)
    call("move_mount", tree_fd, b"", target_fd, os.fsencode(name), flags)


def new_filesystem(
    kind: str, options: tuple[tuple[str, str], ...] = (), attributes: int = 0, source: str = ""
) -> int:
    """A fresh, detached file system; an option without a value is a flag. Raises MountError.

    source  a device, or whatever the file system is made from; "" where that is nothing
    """
    context = call("fsopen", kind.encode(), _CLOEXEC)
    try:
        for key, value in (("source", source or kind), *options):
            if value:
                call("fsconfig", context, _SET_STRING, key.encode(), value.encode(), 0)
            else:
                call("fsconfig", context, _SET_FLAG, key.encode(), None, 0)
        call("fsconfig", context, _CREATE, None, None, 0)
        return call("fsmount", context, _CLOEXEC, attributes)
    except OSError as error:
        said = _log(context)
        raise MountError(error.errno, f"{said or os.strerror(error.errno or 0)} [mounting {kind}]") from None
    finally:
        os.close(context)


def _log(context: int) -> str:
    """What the file system wrote about the failure, without the severity letters."""
    lines = []
    try:
        while line := os.read(context, 4096):
            lines.append(line.decode("utf-8", "replace").strip().removeprefix("e "))
    except OSError:
        pass  # ENODATA: nothing more was said
    return "; ".join(lines)


def mount_overlay(target: str, lowers: tuple[str, ...], upper: str, work: str) -> None:
    """Mounts an overlay of short relative paths on `target`: the options must fit one page.

    `userxattr`: its marks are user.overlay.*, as an ordinary user must have them.
    """
    options = f"userxattr,index=off,lowerdir={':'.join(lowers)}"
    if upper:
        options += f",upperdir={upper},workdir={work}"
    call("mount", b"overlay", os.fsencode(target), b"overlay", 0, os.fsencode(options))


def make_private() -> None:
    """No mount event goes in or out of this mount namespace any more."""
    call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)


def set_root_propagation(propagation: int, *, recursive: bool) -> None:
    """What goes in and out of the mount that "/" is on, an MS_*; recursive: and of those below it."""
    call("mount", None, b"/", None, propagation | (_MS_REC if recursive else 0), None)


def pivot_here() -> None:
    """Makes the working directory the root; the old root then lies on top of it."""
    call("pivot_root", b".", b".")


def detach_here() -> None:
    """Detaches the topmost mount on the working directory, and all below it."""
    call("umount2", b".", _MNT_DETACH)


def filesystem_magic(fd: int) -> int:
    """The f_type of statfs(2)."""
    buffer = ctypes.create_string_buffer(256)
    call("fstatfs", fd, buffer)
    return int.from_bytes(buffer.raw[:4], sys.byteorder)
