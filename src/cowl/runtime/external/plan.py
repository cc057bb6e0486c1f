"""A spec of cowl's own to what an external runtime is given, and what is made ready for it. Pure.

Mounts that only cowl can make (the overlay of the root, idmapped trees, files in memory) are made by a
process of ours and put below PLACE, in a mount namespace of the runtime's own: its spec binds them.
"""

from __future__ import annotations

from cowl.errors import Denied
from cowl.linux.mounts import SPREADS
from cowl.linux.root_mount import RootMount
from cowl.linux.rung import ROOT
from cowl.runtime import operations as op
from cowl.runtime.external.program import Program
from cowl.runtime.external.seccomp_rules import without_overlaps
from cowl.runtime.mount_plan import (
    SYSTEMS,
    Stack,
    UnsupportedSpec,
    check_target,
    memory_file,
    root_of,
    source_of,
)
from cowl.runtime.operations import Source
from cowl.runtime.options import INIT, MEMORY_FILE
from cowl.runtime.plan import limits_of
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PLACE = "/mnt"  # of every Linux (hier(7)); it is covered in the runtime's own mount namespace alone
VERSION = "1.0.0"  # crun knows its own and older ones only
Ranges = tuple[tuple[int, int, int], ...]


class NeedsContainerRoot(Denied):
    """runc makes no container without a root, and where one id is all there is it is the user's own."""

    def __init__(self, uid: int) -> None:
        self.uid = uid
        super().__init__(
            f"runc can't run a container of one id as user {uid}: it wants to have a root in it",
            hint="use --runtime crun or --runtime embedded, or run it as root of the container",
        )


class ExternalPlan(Value):
    """What it takes to have a container made by another runtime.

    directory   of the container on the host; its `runtime` holds the runtime's state
    spec        the config.json but for the namespace to join
    uid_map     of the user namespace in which the trees are mounted; () for the host's own
    joins       the container joins that namespace; else it makes one of its own below it
    layers      sources of `trees`, in their order
    root        how the root is mounted from them; trees: what else is
    binds       sources that are bound, in the order of PLACE/bind0, ...
    cgroup      made for it by us; resources: its limits
    enters      the runtime goes there by itself; else it is executed there
    """

    program: Program
    id: str
    directory: str
    rung: str
    spec: dict[str, Any]
    uid_map: Ranges
    gid_map: Ranges
    joins: bool
    layers: tuple[Source, ...]
    collected: tuple[op.CollectLayer, ...]
    root: op.MountRoot
    trees: tuple[op.BindOverlay | op.BindMemory, ...]
    binds: tuple[Source, ...]
    limits: tuple[op.Limit, ...]
    owner: tuple[int, ...]
    terminal: bool
    cgroup: str
    resources: dict[str, Any]
    enters: bool
    oom_score: int | None


def plan_external(
    spec: dict[str, Any],
    root: RootMount,
    rung: str,
    program: Program,
    identity: str,
    directory: str,
    owner: tuple[int, ...],
    euid: int,
    egid: int,
    *,
    unified: bool,
) -> ExternalPlan:
    """The plan of a container. Raises UnsupportedSpec, ProtectedTarget, NeedsContainerRoot.

    owner       see Plan; euid, egid: the caller's
    unified     the host's cgroups are those of version 2 alone
    """
    if spec.get("annotations", {}).get(INIT):
        raise UnsupportedSpec(
            "--init needs the embedded runtime: its process 1 is made before the command is executed"
        )
    mapped = any(item["type"] == "user" for item in spec["linux"]["namespaces"])
    idmap = mapped and rung == ROOT
    stack = Stack(root, 0, idmap=idmap)
    rewriting = _Rewriting(stack, idmap=idmap, unified=unified)
    mounts = [rewriting.mount(number, mount) for number, mount in enumerate(spec["mounts"])]
    linux = spec["linux"]
    own = _own_maps(linux, rung)
    _check_ids(own, program)
    alone = ((0, euid, 1),), ((0, egid, 1),)
    maps = alone if own else (_ranges(linux["uidMappings"]), _ranges(linux["gidMappings"]))
    enters = program.kind == "runc"
    return ExternalPlan(
        program=program,
        id=identity,
        directory=directory,
        rung=rung,
        spec={
            **spec,
            "ociVersion": VERSION,
            "process": external_process(spec["process"], rung),
            "root": {**spec["root"], "path": f"{PLACE}/root"},
            "mounts": mounts,
            "linux": _external_linux(linux, own, rung, enters=enters),
        },
        uid_map=maps[0],
        gid_map=maps[1],
        joins=idmap,
        layers=tuple(rewriting.layers),
        collected=tuple(rewriting.collected),
        root=op.MountRoot(
            stack.lowers, stack.upper, stack.work, () if mapped or _devices(linux) else ("nodev",)
        ),
        trees=tuple(rewriting.trees),
        binds=tuple(rewriting.binds),
        limits=limits_of(spec["process"]),
        owner=owner,
        terminal=spec["process"]["terminal"],
        cgroup=linux.get("cgroupsPath", ""),
        resources=linux.get("resources", {}),
        enters=enters,
        oom_score=spec["process"].get("oomScoreAdj"),
    )


def _own_maps(linux: dict[str, Any], rung: str) -> dict[str, Any]:
    """The container's id maps where the runtime is root of a namespace that has the caller's id alone.

    The container's is below that; {} where the runtime is root itself.
    """
    if rung == ROOT:
        return {}
    return {name: [{**item, "hostID": 0} for item in linux[name]] for name in ("uidMappings", "gidMappings")}


def _external_linux(linux: dict[str, Any], own: dict[str, Any], rung: str, *, enters: bool) -> dict[str, Any]:
    """Limits are set by us, and what the runtime can't do below a user namespace is left out."""
    devices = [] if rung != ROOT else linux.get("resources", {}).get("devices", [])
    return {
        **{key: value for key, value in linux.items() if key != "cgroupsPath" or enters},
        **own,
        "resources": {"devices": devices},
        "seccomp": without_overlaps(linux["seccomp"]),
    }


def _check_ids(single: dict[str, Any], program: Program) -> None:
    if program.kind == "runc" and any(item["containerID"] for maps in single.values() for item in maps):
        raise NeedsContainerRoot(single["uidMappings"][0]["containerID"])


class _Rewriting:
    """Mounts one after the other, with what they need."""

    def __init__(self, stack: Stack, *, idmap: bool, unified: bool) -> None:
        self._unified = unified
        self.layers = [*stack.sources]
        self.collected = [*stack.collected]
        self.trees: list[op.BindOverlay | op.BindMemory] = []
        self.binds: list[Source] = []
        self._idmap = idmap

    def mount(self, number: int, mount: dict[str, Any]) -> dict[str, Any]:
        """The mount as another runtime takes it."""
        kind = mount["type"]
        if kind == "bind" and mount["source"] not in SYSTEMS:
            check_target(mount["destination"])
            return self._bind(mount)
        if kind == "cgroup" and not self._unified:
            # As ours: what crun and runc put there is a directory that the container's root can write to.
            return {
                **mount,
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "noexec", "nodev", "ro"],
            }
        if kind == "overlay":
            check_target(mount["destination"])
            return self._overlay(mount)
        if kind == MEMORY_FILE:
            check_target(mount["destination"])
            self.trees.append(memory_file(mount, number))
            return _bound(mount, f"tree{len(self.trees) - 1}", ["ro", "nosuid", "nodev", "noexec"])
        return mount

    def _bind(self, mount: dict[str, Any]) -> dict[str, Any]:
        words = mount["options"]
        self.binds.append(source_of(mount, tuple(words), idmap=self._idmap))
        kept = [word for word in words if word not in ("idmap", "bind", "rbind")]
        return _bound(mount, f"bind{len(self.binds) - 1}", kept)

    def _overlay(self, mount: dict[str, Any]) -> dict[str, Any]:
        stack = Stack(root_of(mount), len(self.layers), idmap=self._idmap)
        self.layers += stack.sources
        self.collected += stack.collected
        name = f"merged{len(self.trees)}"
        self.trees.append(
            op.BindOverlay(
                name, stack.lowers, stack.upper, stack.work, mount["subpath"], mount["destination"], ()
            )
        )
        return _bound(mount, f"tree{len(self.trees) - 1}", mount["options"])


def _bound(mount: dict[str, Any], name: str, options: list[str]) -> dict[str, Any]:
    spread = any(word.removeprefix("r") in SPREADS for word in options)
    words = ["rbind", *(() if spread else ("rprivate",)), *options]
    source = f"{PLACE}/{name}"
    return {"destination": mount["destination"], "type": "bind", "source": source, "options": words}


def external_process(process: dict[str, Any], rung: str) -> dict[str, Any]:
    """The `process` object without limits: we set those, who may more than a runtime does."""
    user = process["user"] if rung == ROOT else {**process["user"], "additionalGids": []}
    kept = {key: value for key, value in process.items() if key != "oomScoreAdj"}
    return {**kept, "user": user, "rlimits": []}


def joined(spec: dict[str, Any], user_namespace: str) -> dict[str, Any]:
    """The spec with the user namespace that is there already, by its path."""
    namespaces = [
        {**item, "path": user_namespace} if item["type"] == "user" else item
        for item in spec["linux"]["namespaces"]
    ]
    return {**spec, "linux": {**spec["linux"], "namespaces": namespaces}}


def _devices(linux: dict[str, Any]) -> bool:
    return any(rule["allow"] for rule in linux.get("resources", {}).get("devices", ()))


def _ranges(mappings: list[dict[str, int]]) -> Ranges:
    return tuple((item["containerID"], item["hostID"], item["size"]) for item in mappings)
