"""Namespaces: making a child in new ones, mapping its ids, entering those of another process."""

from __future__ import annotations

import ctypes
import os
import struct

from cowl.linux.syscalls import call

USER, MOUNT, PID, UTS = 0x10000000, 0x00020000, 0x20000000, 0x04000000  # CLONE_NEW*
IPC, NETWORK, CGROUP = 0x08000000, 0x40000000, 0x02000000
FLAGS = {
    "user": USER,
    "mount": MOUNT,
    "pid": PID,
    "uts": UTS,
    "ipc": IPC,
    "network": NETWORK,
    "cgroup": CGROUP,
}

_GET_PARENT = 0xB702  # NS_GET_PARENT, ioctl_ns(2)
_PIDFD, _PARENT, _SIGCHLD, _INTO_CGROUP = 0x1000, 0x8000, 17, 1 << 33


def clone(namespaces: int = 0, *, sibling: bool = False, cgroup: int = -1) -> tuple[int, int]:
    """clone(2) like fork, into new namespaces: (pid, pidfd) in the parent, (0, -1) in the child.

    Only for a single-threaded process: no fork handler runs, and the interpreter's locks are as they
    were. The child must end in execve or os._exit. `sibling`: the child becomes one of our parent's.
    `cgroup`: a descriptor of one of version 2, in which the child begins (Linux 5.7). Raises OSError.
    """
    pidfd = ctypes.c_int(-1)
    if cgroup >= 0:
        arguments = struct.pack("4Q4Q3Q", *_clone_arguments(namespaces, ctypes.addressof(pidfd), cgroup))
        pid = call("clone3", arguments, len(arguments))
        return pid, pidfd.value if pid else -1
    flags = namespaces | _PIDFD | _SIGCHLD | (_PARENT if sibling else 0)
    pid = call("clone", flags, 0, ctypes.addressof(pidfd))
    return pid, pidfd.value if pid else -1


def _clone_arguments(namespaces: int, pidfd: int, cgroup: int) -> tuple[int, ...]:
    """struct clone_args of clone3(2)."""
    return (namespaces | _PIDFD | _INTO_CGROUP, pidfd, 0, 0, _SIGCHLD, 0, 0, 0, 0, 0, cgroup)


def enter_network(path: str) -> int:
    """Takes this thread into the network namespace at `path`; a descriptor of the one that it was in.

    Raises OSError.
    """
    target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            call("setns", target, NETWORK)
        except BaseException:
            os.close(home)
            raise
    finally:
        os.close(target)
    return home


def return_network(home: int) -> None:
    """Takes it back; closes `home`."""
    call("setns", home, NETWORK)
    os.close(home)


def enter_cgroups(doors: tuple[int, ...]) -> None:
    """This process of one thread goes into the groups whose `open_doors` they are, and closes them."""
    for fd in doors:
        os.write(fd, b"0")
        os.close(fd)


def leave_cgroups() -> None:
    """A new cgroup namespace for this process, whose top is the group that it is in, cgroup_namespaces(7)."""
    call("unshare", CGROUP)


def single_threaded() -> bool:
    """Whether this process has one thread, so that it may fork or enter a user namespace."""
    return len(os.listdir("/proc/self/task")) == 1


def map_ids(
    pid: int,
    uids: tuple[tuple[int, int, int], ...],
    gids: tuple[tuple[int, int, int], ...],
    *,
    deny_setgroups: bool,
) -> None:
    """Maps the ids of the user namespace that `pid` was made in. Raises OSError (EPERM: not ours to map)."""
    if deny_setgroups:
        _write(f"/proc/{pid}/setgroups", b"deny")
    _write(f"/proc/{pid}/uid_map", _lines(uids))
    _write(f"/proc/{pid}/gid_map", _lines(gids))


def _lines(ranges: tuple[tuple[int, int, int], ...]) -> bytes:
    """(id inside, id outside, count) in the form of user_namespaces(7)."""
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in ranges).encode()


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def open_user_namespace(pid: int) -> int:
    """A descriptor of the user namespace of `pid`."""
    return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def enter(pidfd: int, namespaces: int) -> None:
    """Moves this single-threaded process into those of a process; pid: its later children. Kernel 5.8."""
    call("setns", pidfd, namespaces)


def unshare(namespaces: int) -> None:
    """Moves this single-threaded process into new ones, unshare(2)."""
    call("unshare", namespaces)


def parent_user_namespace(namespace: int) -> int:
    """A descriptor of the user namespace that one was made in. Raises OSError (EPERM: it is above ours)."""
    return call("ioctl", namespace, _GET_PARENT, 0)
