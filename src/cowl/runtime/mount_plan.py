"""The mounts of a runtime-spec config as operations: the root's layers, and what lies on them. Pure."""

from __future__ import annotations

import os

from cowl.errors import Denied, Invalid
from cowl.linux.mounts import ATTRIBUTES, SPREADS
from cowl.linux.root_mount import RootMount
from cowl.runtime import operations as op
from cowl.runtime.options import MEMORY_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
_PROTECTED = ("/proc", "/sys")
SYSTEMS = (*_PROTECTED, "/sys/fs/cgroup")  # what of the host's may be bound there
_MOUNT_WORDS = (*ATTRIBUTES, "rbind", "bind", "rprivate", "private", "rw", "idmap", "relatime", "strictatime")
_IGNORED_OPTIONS = ("newinstance",)  # devpts has known nothing else since Linux 4.7


class UnsupportedSpec(Invalid):
    """The spec asks for what the embedded interpreter doesn't do."""


class ProtectedTarget(Denied):
    """A mount would lie over a file system of the kernel's that the container's safety rests on."""

    def __init__(self, target: str) -> None:
        self.target = target
        super().__init__(
            f"nothing can be mounted at {target} in a container",
            hint="choose a target outside /proc and /sys",
        )


def plan_layers(root: RootMount, *, nodes: bool, idmap: bool) -> tuple[list[op.Source], list[op.Operation]]:
    """Without `nodes` no device node in them opens a device; in a user namespace none does anyway."""
    stack = Stack(root, 0, idmap=idmap)
    attributes = () if nodes else ("nodev",)
    return stack.sources, [*stack.collected, op.MountRoot(stack.lowers, stack.upper, stack.work, attributes)]


class Stack:
    """An overlay's trees as sources `first`, ... of the same names; upper and work share the first."""

    def __init__(self, root: RootMount, first: int, *, idmap: bool) -> None:
        trees = list(root.lowers)
        self.upper = self.work = ""
        if root.upper:
            parent = os.path.dirname(root.upper)
            if os.path.dirname(root.work) != parent:
                raise UnsupportedSpec(f"{root.upper} and {root.work} are not in the same directory")
            trees.insert(0, parent)
            self.upper = f"{first}/{os.path.basename(root.upper)}"
            self.work = f"{first}/{os.path.basename(root.work)}"
        names = tuple(str(first + number) for number in range(len(trees)))
        self.lowers = names[1:] if root.upper else names
        self.sources = [op.Source(path, idmap=idmap) for path in trees]
        self.collected = [op.CollectLayer(int(name), name) for name in names]


def plan_mounts(
    mounts: list[dict[str, Any]], first: int, binds: list[op.Source], *, idmap: bool
) -> Iterator[op.Operation]:
    """The mounts of a spec in their order; their sources, numbered from `first`, go to `binds`."""
    for number, mount in enumerate(mounts):
        kind, target, options = mount["type"], mount["destination"], tuple(mount["options"])
        attributes = tuple(word for word in options if word in ATTRIBUTES)
        if kind == "bind" and mount["source"] in SYSTEMS:
            yield op.BindSystem(mount["source"], target, attributes)
        elif kind == "bind":
            check_target(target)
            binds.append(source_of(mount, options, idmap=idmap))
            yield op.BindSource(first + len(binds) - 1, target, attributes)
        elif kind == "cgroup":
            yield op.MountCgroup(target, "ro" in options)
        elif kind == "overlay":
            check_target(target)
            stack = Stack(root_of(mount), first + len(binds), idmap=idmap)
            binds += stack.sources
            yield from stack.collected
            yield _overlay(stack, mount, attributes)
        elif kind == MEMORY_FILE:
            check_target(target)
            yield memory_file(mount, number)
        else:
            yield from _filesystem(kind, target, attributes, options)


def source_of(mount: dict[str, Any], options: tuple[str, ...], *, idmap: bool) -> op.Source:
    """The source of a bind."""
    spread = next((word for word in options if word.removeprefix("r") in SPREADS), "private")
    return op.Source(
        mount["source"],
        idmap and "idmap" in options,
        "rbind" in options,
        True,
        mount.get("subpath", ""),
        spread.removeprefix("r"),
    )


def root_of(mount: dict[str, Any]) -> RootMount:
    """The layers of an overlay mount."""
    return RootMount(tuple(mount["lowers"]), mount["upper"], mount["work"])


def _overlay(stack: Stack, mount: dict[str, Any], attributes: tuple[str, ...]) -> op.Operation:
    """Named after its first source, so that several do not meet."""
    name = f"tree{stack.collected[0].as_dict()['name']}"
    target, subpath = mount["destination"], mount["subpath"]
    return op.BindOverlay(name, stack.lowers, stack.upper, stack.work, subpath, target, attributes)


def memory_file(mount: dict[str, Any], number: int) -> op.BindMemory:
    """The operation of a mount of the type MEMORY_FILE, the `number`th of all."""
    from base64 import b64decode

    words = dict(word.split("=", 1) for word in mount["options"])
    return op.BindMemory(
        name=f"file{number}",
        data=b64decode(mount["data"]),
        mode=int(words["mode"], 8),
        uid=int(words["uid"]),
        gid=int(words["gid"]),
        target=mount["destination"],
    )


def _filesystem(
    kind: str, target: str, attributes: tuple[str, ...], options: tuple[str, ...]
) -> Iterator[op.Operation]:
    if kind not in ("proc", "sysfs", "tmpfs", "devpts", "mqueue"):
        raise UnsupportedSpec(f"a mount of type {kind!r} at {target} is not supported")
    if kind not in ("proc", "sysfs"):
        check_target(target)
    data = (
        word.partition("=")[::2]
        for word in options
        if word not in _MOUNT_WORDS and word not in _IGNORED_OPTIONS
    )
    pairs = tuple((key, value) for key, value in data)
    system = target in ("/proc", "/sys", "/dev")
    follow = not (system or target.startswith("/dev/"))
    yield op.MountFilesystem(kind, target, attributes, pairs, make=not system, follow=follow)
    if target == "/dev":
        yield from (op.BindDevice(*device) for device in DEVICES)
        yield from (op.MakeLink(f"/dev/{name}", points_to) for name, points_to in LINKS)


def check_target(target: str) -> None:
    """What lies literally in /proc or /sys; the interpreter checks where links lead."""
    path = os.path.normpath("/" + target.lstrip("/"))
    if path == "/" or any(path == guarded or path.startswith(guarded + "/") for guarded in _PROTECTED):
        raise ProtectedTarget(target)
