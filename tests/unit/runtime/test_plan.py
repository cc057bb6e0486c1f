"""Options to spec to operations: pure, so testable without root."""

from __future__ import annotations

import json

import pytest

from cowl.linux.root_mount import RootMount
from cowl.linux.rung import IDS_BASE, IDS_COUNT, ROOT, SINGLE
from cowl.runtime import operations as op
from cowl.runtime.mount_plan import ProtectedTarget, UnsupportedSpec
from cowl.runtime.options import Bind, ContainerOptions, MemoryFile, Overlay, Tmpfs
from cowl.runtime.plan import plan, plan_exec
from cowl.runtime.spec import container_spec, process_spec
from cowl.runtime.user import User

ROOT_TREES = RootMount(("/s/l2", "/s/l1"), "/s/c/upper", "/s/c/work")
OPTIONS = ContainerOptions(args=("true",), env=("PATH=/bin",), user=User(1000, 1001, (5,)), hostname="box")


def _kinds(steps: tuple[op.Operation, ...]) -> list[str]:
    return [type(step).__name__ for step in steps]


@pytest.mark.parametrize("rung", [ROOT, SINGLE])
def test_the_order_that_safety_rests_on(rung: str) -> None:
    kinds = _kinds(plan(container_spec(OPTIONS.replace(rung=rung)), ROOT_TREES, rung).operations)
    order = ["BecomeMapped", "IsolateMounts", "MountScratch", "CollectLayer", "MountRoot", "MountFilesystem"]
    order += ["BindDevice", "MaskPath", "ProtectPath", "EnterRoot", "EnterDirectory", "StartSession"]
    order += ["DropBounding", "ForbidNewPrivileges", "BecomeUser", "SetCapabilities", "DieWithParent"]
    order += ["InstallFilter", "Execute"]
    places = [kinds.index(kind) for kind in order]
    assert places == sorted(places)
    assert kinds[-2:] == ["InstallFilter", "Execute"]


def test_ids_of_the_rungs() -> None:
    ranged = plan(container_spec(OPTIONS), ROOT_TREES, ROOT)
    assert ranged.uid_map == ranged.gid_map == ((0, IDS_BASE, IDS_COUNT),)
    assert ranged.owner == (IDS_BASE + 1000, IDS_BASE + 1001)
    assert op.BecomeUser(1000, 1001, (1001, 5), 0o022) in ranged.operations
    one = plan(container_spec(OPTIONS.replace(rung=SINGLE)), ROOT_TREES, SINGLE)
    assert (one.uid_map[0][0], one.uid_map[0][2]) == (1000, 1)
    assert (one.gid_map[0][0], one.gid_map[0][2]) == (1001, 1)
    assert op.BecomeUser(1000, 1001, (), 0o022) in one.operations and one.owner == ()


def test_layers_are_collected_under_short_names() -> None:
    made = plan(container_spec(OPTIONS), ROOT_TREES, ROOT)
    assert [source.path for source in made.sources] == ["/s/c", "/s/l2", "/s/l1"]
    assert all(source.idmap for source in made.sources)
    assert op.MountRoot(("1", "2"), "0/upper", "0/work") in made.operations
    only = plan(container_spec(OPTIONS), RootMount(("/s/l1",)), ROOT)
    assert op.MountRoot(("0",)) in only.operations
    with pytest.raises(UnsupportedSpec):
        plan(container_spec(OPTIONS), RootMount(("/s/l1",), "/a/upper", "/b/work"), ROOT)


def test_capabilities_are_root_s_alone() -> None:
    assert op.SetCapabilities(()) in plan(container_spec(OPTIONS), ROOT_TREES, ROOT).operations
    as_root = plan(container_spec(OPTIONS.replace(user=User())), ROOT_TREES, ROOT)
    (held,) = (step for step in as_root.operations if isinstance(step, op.SetCapabilities))
    assert "CAP_CHOWN" in held.names
    assert not {"CAP_MKNOD", "CAP_NET_RAW", "CAP_AUDIT_WRITE", "CAP_SYS_ADMIN"} & set(held.names)


def test_network() -> None:
    none = plan(container_spec(OPTIONS), ROOT_TREES, ROOT)
    assert "network" in none.namespaces and op.RaiseLoopback() in none.operations
    host = plan(container_spec(OPTIONS.replace(network="host")), ROOT_TREES, ROOT)
    assert "network" not in host.namespaces and "RaiseLoopback" not in _kinds(host.operations)
    assert any(isinstance(step, op.BindSystem) and "ro" in step.attributes for step in host.operations)


def test_binds() -> None:
    bound = OPTIONS.replace(binds=(Bind("/h/a", "/a"), Bind("/h/b", "/b", True)))
    made = plan(container_spec(bound), ROOT_TREES, ROOT)
    sources = [op.Source(path, True, True, True, spread="private") for path in ("/h/a", "/h/b")]
    assert made.sources[-2:] == tuple(sources)
    binds = [step for step in made.operations if isinstance(step, op.BindSource)]
    assert [step.source for step in binds] == [3, 4]
    assert "ro" not in binds[0].attributes and "ro" in binds[1].attributes
    assert all({"nosuid", "nodev"} <= set(step.attributes) for step in binds)


@pytest.mark.parametrize(
    "target", ["/proc", "/sys", "/proc/self", "//proc/x", "/a/../proc", "/", "/..", "/sys/fs/cgroup/", "proc"]
)
def test_nothing_lies_over_the_kernel_s_file_systems(target: str) -> None:
    for options in (OPTIONS.replace(binds=(Bind("/h", target),)), OPTIONS.replace(tmpfs=(target,))):
        with pytest.raises(ProtectedTarget):
            plan(container_spec(options), ROOT_TREES, ROOT)


def test_a_plan_is_json() -> None:
    made = plan(container_spec(OPTIONS.replace(terminal=True, read_only=True)), ROOT_TREES, ROOT)
    shown = json.loads(json.dumps(made.to_json()))
    assert shown["operations"][0] == {"operation": "BecomeMapped", "uid": 0, "gid": 0, "clear_groups": True}
    assert {"OpenTerminal", "ProtectRoot"} <= {step["operation"] for step in shown["operations"]}


def test_the_spec_is_json_and_names_no_image_setting_as_a_key() -> None:
    spec = container_spec(OPTIONS)
    assert json.loads(json.dumps(spec)) == spec
    assert set(spec) == {"ociVersion", "process", "root", "hostname", "mounts", "linux"}
    assert spec["process"]["capabilities"]["inheritable"] == spec["process"]["capabilities"]["ambient"] == []


def test_home_is_added_once() -> None:
    assert process_spec(OPTIONS.replace(user=User(5, 5, (), "/h")))["env"] == ["PATH=/bin", "HOME=/h"]
    assert process_spec(OPTIONS.replace(env=("HOME=/x",)))["env"] == ["HOME=/x"]


def test_exec_is_as_confined_as_run() -> None:
    spec = container_spec(OPTIONS)
    first = plan(spec, ROOT_TREES, ROOT).operations
    other = plan_exec(process_spec(OPTIONS), spec["linux"]["seccomp"], ROOT).operations
    start = _kinds(first).index("EnterDirectory")
    assert other[_kinds(other).index("EnterDirectory") :] == first[start:]


def test_more_mounts_in_their_order() -> None:
    more = (
        Tmpfs("/t", 4096, True),
        Overlay("/o", ("/s/l2", "/s/l1"), "/m/upper", "/m/work", "/part"),
        Overlay("/p", ("/s/l1",)),
        Bind("/h", "/b"),
        MemoryFile("/k", b"sesame", 0o440, 3, 4),
    )
    options = OPTIONS.replace(mounts=more)
    made = plan(container_spec(options), ROOT_TREES, ROOT)
    own = [step for step in made.operations if getattr(step, "target", "")[1:] in ("t", "o", "p", "b", "k")]
    assert _kinds(tuple(own)) == ["MountFilesystem", "BindOverlay", "BindOverlay", "BindSource", "BindMemory"]
    tmpfs, first, second, bind, memory = own
    assert isinstance(tmpfs, op.MountFilesystem) and ("size", "4096") in tmpfs.options
    assert "ro" in tmpfs.attributes
    assert isinstance(first, op.BindOverlay) and isinstance(second, op.BindOverlay)
    assert (first.upper, first.work, first.subpath) == ("3/upper", "3/work", "/part")
    assert "ro" not in first.attributes and "ro" in second.attributes
    assert isinstance(bind, op.BindSource) and made.sources[bind.source].path == "/h"
    sources = [made.sources[int(name)].path for name in (*first.lowers, *second.lowers)]
    assert sources == ["/s/l2", "/s/l1", "/s/l1"]
    assert isinstance(memory, op.BindMemory) and (memory.data, memory.mode) == (b"sesame", 0o440)
    assert "sesame" not in repr(made) + repr(options) + json.dumps(made.to_json())


def test_limits_that_were_asked_for_are_firm() -> None:
    asked = OPTIONS.replace(limits=(("RLIMIT_NOFILE", 1, 2), ("RLIMIT_CPU", 3, -1)))
    made = plan(container_spec(asked), ROOT_TREES, ROOT)
    assert op.Limit(7, 1, 2, True) in made.limits and op.Limit(0, 3, -1, True) in made.limits
    assert op.Limit(4, 0, 0) in made.limits and len(made.limits) == 3


def test_a_container_that_is_not_confined() -> None:
    free = OPTIONS.replace(confined=False)
    kinds = _kinds(plan(container_spec(free), ROOT_TREES, ROOT).operations)
    assert not {"InstallFilter", "MaskPath", "ProtectPath", "ForbidNewPrivileges"} & set(kinds)
    assert kinds[-1] == "Execute"
    one = plan(container_spec(free.replace(rung=SINGLE)), ROOT_TREES, SINGLE)
    assert "InstallFilter" in _kinds(one.operations)


def test_without_a_user_namespace() -> None:
    options = OPTIONS.replace(shared=("user",), binds=(Bind("/h", "/b"),))
    made = plan(container_spec(options), ROOT_TREES, ROOT)
    assert "user" not in made.namespaces and made.uid_map == made.gid_map == ()
    assert not any(source.idmap for source in made.sources)
    assert made.owner == (1000, 1001)
    assert op.MountRoot(("1", "2"), "0/upper", "0/work", ("nodev",)) in made.operations
    everything = plan(container_spec(options.replace(devices=True)), ROOT_TREES, ROOT)
    assert op.MountRoot(("1", "2"), "0/upper", "0/work") in everything.operations


def test_a_filter_without_no_new_privileges_comes_before_the_rights_go() -> None:
    made = plan(container_spec(OPTIONS.replace(no_new_privileges=False)), ROOT_TREES, ROOT)
    steps = [*made.operations]
    order = [op.KeepCapabilities, op.BecomeUser, op.SetCapabilities, op.InstallFilter, op.SetCapabilities]
    order += [op.DieWithParent, op.Execute]
    assert [type(step) for step in steps[-len(order) :]] == order
    assert (steps[-5], steps[-3]) == (op.SetCapabilities(("CAP_SYS_ADMIN",)), op.SetCapabilities(()))


def test_parameters_are_set_before_they_are_read_only() -> None:
    steps = plan(container_spec(OPTIONS.replace(sysctls=(("net.x", "1"),))), ROOT_TREES, ROOT).operations
    assert steps.index(op.WriteSysctl("net.x", "1")) < steps.index(op.ProtectPath("/proc/sys"))


def test_a_network_that_is_joined_is_no_new_one() -> None:
    options = ContainerOptions(args=("true",), network="container:x", network_path="/proc/7/ns/net")
    spec = container_spec(options)
    joined = plan(spec, RootMount(("/lower",)), ROOT)
    assert joined.network == "/proc/7/ns/net" and "network" not in joined.namespaces
    kinds = [type(item).__name__ for item in joined.operations]
    assert "RaiseLoopback" not in kinds and "/sys/class/net" in spec["linux"]["maskedPaths"]
    spec["linux"]["namespaces"].append({"type": "ipc", "path": "/proc/7/ns/ipc"})
    with pytest.raises(UnsupportedSpec, match="joining the namespaces"):
        plan(spec, RootMount(("/lower",)), ROOT)
