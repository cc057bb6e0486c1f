"""A runtime-spec config to the ordered operations that make it real. Pure: no root, no kernel needed."""

from __future__ import annotations

from cowl.linux.rung import IDS_BASE, IDS_COUNT, ROOT, SINGLE
from cowl.runtime import operations as op
from cowl.runtime.mount_plan import UnsupportedSpec, plan_layers, plan_mounts
from cowl.runtime.options import INIT
from cowl.runtime.seccomp_profile import no_profile
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cowl.linux.root_mount import RootMount

Ranges = tuple[tuple[int, int, int], ...]

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
_FILTERS = ("CAP_SYS_ADMIN",)


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
    layers, collected = plan_layers(root, nodes=nodes, idmap=mapped and rung == ROOT)
    binds: list[op.Source] = []
    uids, gids = _ranges(linux["uidMappings"]), _ranges(linux["gidMappings"])
    steps = [
        op.BecomeMapped(uids[0][0] if uids else 0, gids[0][0] if gids else 0, rung == ROOT),
        op.IsolateMounts(),
        op.MountScratch(),
        *collected,
        *_with_cgroup(
            plan_mounts(spec["mounts"], len(layers), binds, idmap=mapped and rung == ROOT),
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
    layers, collected = plan_layers(root, nodes=False, idmap=idmap)
    binds: list[op.Source] = []
    steps = [
        op.BecomeMapped(0, 0, rung == ROOT),
        op.IsolateMounts(),
        op.MountScratch(),
        *collected,
        *plan_mounts(visit["mounts"], len(layers), binds, idmap=idmap),
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
