"""A runtime-spec config to the ordered operations that make it real. Pure: no root, no kernel needed."""

from __future__ import annotations

import os

from cowl.errors import Denied, Invalid
from cowl.linux.mounts import ATTRIBUTES, SPREADS
from cowl.linux.root_mount import RootMount
from cowl.linux.rung import IDS_BASE, IDS_COUNT, ROOT, SINGLE
from cowl.runtime import operations as op
from cowl.runtime.options import INIT, MEMORY_FILE
from cowl.runtime.seccomp_profile import no_profile
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

Ranges = tuple[tuple[int, int, int], ...]

DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
RLIMITS = {
    "RLIMIT_CPU": 0,
    "RLIMIT_FSIZE": 1,
    "RLIMIT_DATA": 2,
    "RLIMIT_STACK": 3,
    "RLIMIT_CORE": 4,
    "RLIMIT_RSS": 5,
    "RLIMIT_NPROC": 6,
    "RLIMIT_NOFILE": 7,
    "RLIMIT_MEMLOCK": 8,
    "RLIMIT_AS": 9,
    "RLIMIT_LOCKS": 10,
    "RLIMIT_SIGPENDING": 11,
    "RLIMIT_MSGQUEUE": 12,
    "RLIMIT_NICE": 13,
    "RLIMIT_RTPRIO": 14,
    "RLIMIT_RTTIME": 15,
}
_PROTECTED = ("/proc", "/sys")
SYSTEMS = (*_PROTECTED, "/sys/fs/cgroup")  # what of the host's may be bound there
_FILTERS = ("CAP_SYS_ADMIN",)
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


class Plan(Value):
    """Everything that starting a process takes, as data.

    namespaces  words of linux.namespaces.FLAGS, all new; none for a process in a running container
    uid_map, gid_map  (id inside, id outside, count)
    sources     opened by the keeper on the root rung, by the child on the others
    limits      set by the keeper, which may more
    owner       the host's (uid, gid) of the payload: pipes that it inherits become its own, so that
                /dev/stdout can be opened; () where that is so already
    terminal    0, 1 and 2 become a terminal of the container's own
    operations  the child's work, the last one is Execute
    cgroup      path of the cgroup that the keeper makes for it, with the limits of `resources`; "" for none
    oom_score   for oom_score_adj, by the keeper; None leaves it
    network     path of the network namespace that it joins, "" for none
    """

    rung: str
    namespaces: tuple[str, ...]
    uid_map: Ranges
    gid_map: Ranges
    sources: tuple[op.Source, ...]
    limits: tuple[op.Limit, ...]
    owner: tuple[int, ...]
    terminal: bool
    operations: tuple[op.Operation, ...]
    cgroup: str = ""
    resources: dict[str, Any] | None = None
    oom_score: int | None = None
    network: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: each operation as its name with its fields."""
        return {
            **self.as_dict(),
            "sources": [source.as_dict() for source in self.sources],
            "limits": [limit.as_dict() for limit in self.limits],
            "operations": [{"operation": type(item).__name__, **item.as_dict()} for item in self.operations],
        }


def plan(spec: dict[str, Any], root: RootMount, rung: str) -> Plan:
    """The plan of a container. Raises UnsupportedSpec, ProtectedTarget."""
    linux = spec["linux"]
    namespaces = tuple(item["type"] for item in linux["namespaces"] if not item.get("path"))
    cgroup = linux.get("cgroupsPath", "")
    mapped = "user" in namespaces
    nodes = mapped or any(rule["allow"] for rule in linux.get("resources", {}).get("devices", ()))
    layers, collected = _layers(root, nodes=nodes, idmap=mapped and rung == ROOT)
    binds: list[op.Source] = []
    uids, gids = _ranges(linux["uidMappings"]), _ranges(linux["gidMappings"])
    steps = [
        op.BecomeMapped(uids[0][0] if uids else 0, gids[0][0] if gids else 0, rung == ROOT),
        op.IsolateMounts(),
        op.MountScratch(),
        *collected,
        *_with_cgroup(
            _mounts(spec["mounts"], len(layers), binds, idmap=mapped and rung == ROOT),
            [op.JoinCgroup("cgroup" in namespaces)] if cgroup else [],
        ),
        *_terminal(spec["process"], console=True),
        *(op.WriteSysctl(name, value) for name, value in linux.get("sysctl", {}).items()),
        *(op.MaskPath(path) for path in linux["maskedPaths"]),
        *(op.ProtectPath(path) for path in linux["readonlyPaths"]),
        *([op.ProtectRoot()] if spec["root"]["readonly"] else []),
        *([op.SetHostname(spec["hostname"])] if spec["hostname"] else []),
        *([op.SetDomainname(spec["domainname"])] if spec.get("domainname") else []),
        *([op.RaiseLoopback()] if "network" in namespaces else []),
        op.EnterRoot(),
        *_process(
            spec["process"], linux["seccomp"], rung, init=spec.get("annotations", {}).get(INIT) == "yes"
        ),
    ]
    shared = _shared(spec["process"], rung, mapped=mapped)
    if cgroup:  # a namespace's top is the group that its maker is in
        namespaces = tuple(kind for kind in namespaces if kind != "cgroup")
    about = (cgroup, linux.get("resources", {}), spec["process"].get("oomScoreAdj"), _joined(linux))
    return Plan(rung, namespaces, uids, gids, (*layers, *binds), *shared, tuple(steps), *about)


def _joined(linux: dict[str, Any]) -> str:
    """The path of the network namespace that is joined."""
    paths = {item["type"]: item["path"] for item in linux["namespaces"] if item.get("path")}
    if [*paths] not in ([], ["network"]):
        raise UnsupportedSpec(f"joining the namespaces {', '.join(paths)} is not supported")
    return str(paths.get("network", ""))


def plan_exec(process: dict[str, Any], profile: dict[str, Any], rung: str, *, mapped: bool = True) -> Plan:
    """The plan of one more process in a running container, once its namespaces are entered.

    mapped  the container has a user namespace of its own
    """
    ids = [op.BecomeMapped(0, 0, True)] if rung == ROOT else []
    steps = [*ids, *_terminal(process, console=False), *_process(process, profile, rung)]
    return Plan(rung, (), (), (), (), *_shared(process, rung, mapped=mapped), tuple(steps))


def plan_visit(visit: dict[str, Any], root: RootMount, rung: str) -> Plan:
    """The plan of a visit to the files of a container at rest: its layers and mounts, and no more of it."""
    idmap = visit["mapped"] and rung == ROOT
    layers, collected = _layers(root, nodes=False, idmap=idmap)
    binds: list[op.Source] = []
    steps = [
        op.BecomeMapped(0, 0, rung == ROOT),
        op.IsolateMounts(),
        op.MountScratch(),
        *collected,
        *_mounts(visit["mounts"], len(layers), binds, idmap=idmap),
        *([op.ProtectRoot()] if visit["readonly"] else []),
        op.Visit(visit["function"]),
    ]
    uids, gids = _ranges(visit["uidMappings"]), _ranges(visit["gidMappings"])
    namespaces = ("user", "mount") if visit["mapped"] else ("mount",)
    return Plan(rung, namespaces, uids, gids, (*layers, *binds), (), (), False, tuple(steps))


def plan_call(function: str, rung: str) -> Plan:
    """The plan of a visit to a running container, once its namespaces of users and mounts are entered."""
    ids = [op.BecomeMapped(0, 0, True)] if rung == ROOT else []
    return Plan(rung, (), (), (), (), (), (), False, (*ids, op.Visit(function)))


def _with_cgroup(steps: Iterator[op.Operation], join: list[op.Operation]) -> Iterator[op.Operation]:
    """The cgroup is entered late, while the keeper makes it, but before its namespace is mounted."""
    for step in steps:
        if join and isinstance(step, op.MountCgroup | op.BindSystem):
            yield join.pop()
        yield step
    yield from join


def _layers(root: RootMount, *, nodes: bool, idmap: bool) -> tuple[list[op.Source], list[op.Operation]]:
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


def _mounts(
    mounts: list[dict[str, Any]], first: int, binds: list[op.Source], *, idmap: bool
) -> Iterator[op.Operation]:
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


def _terminal(process: dict[str, Any], *, console: bool) -> list[op.Operation]:
    if not process["terminal"]:
        return []
    size = process.get("consoleSize") or {"height": 0, "width": 0}
    return [op.OpenTerminal(process["user"]["uid"], console, size["height"], size["width"])]


def _process(
    process: dict[str, Any], profile: dict[str, Any], rung: str, *, init: bool = False
) -> Iterator[op.Operation]:
    user, held = process["user"], process["capabilities"]
    groups = (user["gid"], *user["additionalGids"]) if rung == ROOT else ()
    yield op.EnterDirectory(process["cwd"], make=True)
    yield op.StartSession()
    yield op.DropBounding(tuple(held["bounding"]))
    become = op.BecomeUser(user["uid"], user["gid"], tuple(dict.fromkeys(groups)), user["umask"])
    rights = op.SetCapabilities(tuple(held["permitted"]) if user["uid"] == 0 else ())
    filters = rung == SINGLE or profile != no_profile()
    install = [op.InstallFilter(profile, supervised=rung == SINGLE)] if filters else []
    if process["noNewPrivileges"]:
        yield from (op.ForbidNewPrivileges(), become, rights, op.DieWithParent(), *install)
    else:
        # The kernel takes a filter from who has CAP_SYS_ADMIN, so that goes after it, not before.
        right = op.SetCapabilities((*rights.names, *(() if "CAP_SYS_ADMIN" in rights.names else _FILTERS)))
        yield from (op.KeepCapabilities(), become, right, *install, rights, op.DieWithParent())
    if init:
        yield op.StartInit(process["terminal"])
    yield op.Execute(tuple(process["args"]), tuple(process["env"]))


def _shared(
    process: dict[str, Any], rung: str, *, mapped: bool
) -> tuple[tuple[op.Limit, ...], tuple[int, ...], bool]:
    """What the keeper does for a first process and for exec alike: limits, owner, terminal."""
    return limits_of(process), owner_of(process, rung, mapped=mapped), process["terminal"]


def owner_of(process: dict[str, Any], rung: str, *, mapped: bool) -> tuple[int, ...]:
    """See Plan.owner."""
    user = process["user"]
    if rung == ROOT and not mapped:
        return user["uid"], user["gid"]
    if rung != ROOT or max(user["uid"], user["gid"]) >= IDS_COUNT:
        return ()
    return IDS_BASE + user["uid"], IDS_BASE + user["gid"]


def limits_of(process: dict[str, Any]) -> tuple[op.Limit, ...]:
    """Its rlimits. Raises UnsupportedSpec."""
    limits = process["rlimits"]
    for limit in limits:
        if limit["type"] not in RLIMITS:
            raise UnsupportedSpec(f"unknown resource limit {limit['type']!r}")
    return tuple(
        op.Limit(RLIMITS[limit["type"]], limit["soft"], limit["hard"], limit.get("firm", False))
        for limit in limits
    )


def _ranges(mappings: list[dict[str, int]]) -> Ranges:
    return tuple((item["containerID"], item["hostID"], item["size"]) for item in mappings)
