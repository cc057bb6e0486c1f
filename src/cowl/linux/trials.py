"""Trying in a child what containers need of the kernel, to say what is missing. Nothing stays behind."""

from __future__ import annotations

import json
import os

from cowl.linux import mounts, namespaces
from cowl.linux.credentials import die_with_parent
from cowl.linux.rung import IDS_BASE, IDS_COUNT
from cowl.linux.syscalls import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

AVAILABLE = "available"
UNTRIED = "not tried: no user namespace"


def try_all(*, root: bool) -> dict[str, str]:
    """userns, overlay, proc, network, idmap: AVAILABLE or the kernel's refusal.

    `root`: with a range of ids, and idmapped mounts as well. Forks; safe in a threaded process.
    """
    results_end, write_end = os.pipe()
    go, go_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(write_end, go, go_end, root=root)
    os.close(write_end)
    os.close(go)
    try:
        idmap = _idmap(pid, results_end) if root else "only for root"
    finally:
        os.close(go_end)
    with os.fdopen(results_end, "rb") as file:
        said = file.read().splitlines()[-1:]
    os.waitpid(pid, 0)
    found = dict.fromkeys(("userns", "overlay", "proc", "network"), UNTRIED)
    if said and said != [b"ready"]:
        found.update(json.loads(said[0]))
    return {**found, "idmap": idmap}


def _child(results: int, go: int, go_end: int, *, root: bool) -> None:
    """Says a line once it is in its namespaces, then what it found."""
    try:
        os.close(go_end)
        die_with_parent()
        euid, egid = os.geteuid(), os.getegid()
        found = {"userns": _attempt(lambda: call("unshare", _NAMESPACES))}
        os.write(results, b"ready\n")
        if found["userns"] == AVAILABLE:
            if root:
                os.read(go, 1)  # until the parent has mapped our ids, or will not
                os.setresgid(0, 0, 0)
                os.setresuid(0, 0, 0)
            else:
                found["userns"] = _attempt(lambda: _map_self(euid, egid))
            found |= {"overlay": _attempt(_overlay), "network": _attempt(_network), "proc": _in_child(_proc)}
        os.write(results, json.dumps(found).encode())
    finally:
        os._exit(0)


_NAMESPACES = namespaces.USER | namespaces.MOUNT | namespaces.PID


def _attempt(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as error:
        return error.strerror or os.strerror(error.errno or 0)
    return AVAILABLE


def _map_self(uid: int, gid: int) -> None:
    namespaces.map_ids(os.getpid(), ((0, uid, 1),), ((0, gid, 1),), deny_setgroups=True)


def _overlay() -> None:
    mounts.make_private()
    scratch = mounts.new_filesystem("tmpfs")
    host_root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    mounts.attach(scratch, host_root)
    os.fchdir(scratch)
    for name in ("a", "b", "root"):
        os.mkdir(name)
    mounts.mount_overlay("root", ("a", "b"), "", "")


def _network() -> None:
    call("unshare", namespaces.NETWORK)
    os.close(mounts.new_filesystem("sysfs"))


def _proc() -> None:
    os.close(mounts.new_filesystem("proc"))


def _in_child(action: Callable[[], object]) -> str:
    """In a process of the new pid namespace."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.write(writer, _attempt(action).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        said = file.read().decode()
    os.wait()
    return said


def _idmap(pid: int, results: int) -> str:
    """Maps the child's ids and idmaps a clone of the root directory's mount."""
    ids = ((0, IDS_BASE, IDS_COUNT),)
    os.read(results, len(b"ready\n"))

    def attempt() -> None:
        namespaces.map_ids(pid, ids, ids, deny_setgroups=False)
        users = namespaces.open_user_namespace(pid)
        tree = mounts.clone_tree("/")
        try:
            mounts.set_idmap(tree, users)
        finally:
            os.close(tree)
            os.close(users)

    return _attempt(attempt)
