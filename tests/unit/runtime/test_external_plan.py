"""What crun and runc are given: pure, so no runtime is needed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.linux.root_mount import RootMount
from cowl.linux.rung import ROOT, SINGLE
from cowl.runtime.external.plan import ExternalPlan, NeedsContainerRoot, plan_external
from cowl.runtime.external.program import Program, RuntimeMissing, UnknownRuntime, check_runtime, find_program
from cowl.runtime.external.seccomp_rules import without_overlaps
from cowl.runtime.mount_plan import ProtectedTarget
from cowl.runtime.options import Bind, ContainerOptions, MemoryFile, Overlay
from cowl.runtime.seccomp_profile import default_profile
from cowl.runtime.spec import container_spec
from cowl.runtime.user import User

ROOT_MOUNT = RootMount(("/layers/1", "/layers/2"), "/box/upper", "/box/work")
CRUN, RUNC = Program("crun", "/usr/bin/crun"), Program("runc", "/usr/sbin/runc")


def planned(program: Program = CRUN, rung: str = ROOT, **options: Any) -> ExternalPlan:
    spec = container_spec(ContainerOptions(args=("true",), rung=rung, **options))
    return plan_external(spec, ROOT_MOUNT, rung, program, "box", "/box", (), 1000, 1000, unified=True)


def mounts(plan: ExternalPlan) -> dict[str, dict[str, Any]]:
    return {mount["destination"]: mount for mount in plan.spec["mounts"]}


def test_only_what_the_spec_knows_is_left() -> None:
    plan = planned(
        binds=(Bind("/src", "/dst", read_only=True),),
        mounts=(Overlay("/over", ("/layers/3",)), MemoryFile("/secret", b"hush")),
    )
    found = mounts(plan)
    assert {mount["type"] for mount in found.values()} <= {
        "proc", "tmpfs", "devpts", "mqueue", "sysfs", "cgroup", "bind"
    }  # fmt: skip
    assert found["/dst"]["source"] == "/mnt/bind0"
    assert found["/over"]["source"] == "/mnt/tree0"
    assert found["/secret"]["source"] == "/mnt/tree1"
    assert "ro" in found["/dst"]["options"] and "idmap" not in found["/dst"]["options"]
    assert plan.binds[0].path == "/src" and plan.binds[0].idmap
    assert "hush" not in json.dumps(plan.spec)
    assert plan.spec["root"] == {"path": "/mnt/root", "readonly": False}
    assert plan.spec["process"]["rlimits"] == [] and plan.limits
    assert not {"hooks", "annotations"} & {*plan.spec}


def test_with_one_id_the_runtime_is_root_above_the_container() -> None:
    plan = planned(rung=SINGLE, user=User(1000, 1000, (5,)))
    assert plan.uid_map == ((0, 1000, 1),)
    assert plan.spec["linux"]["uidMappings"] == [{"containerID": 1000, "hostID": 0, "size": 1}]
    assert plan.spec["process"]["user"]["additionalGids"] == []
    with pytest.raises(NeedsContainerRoot, match="runc can't run a container of one id as user 1000"):
        planned(RUNC, SINGLE, user=User(1000, 1000))


def test_kernel_paths_are_nobody_s_target() -> None:
    with pytest.raises(ProtectedTarget):
        planned(binds=(Bind("/src", "/proc/self"),))


def test_names_of_runtimes(tmp_path: Any) -> None:
    check_runtime("")
    check_runtime("embedded")
    check_runtime("/opt/bin/crun")
    for name in ("youki", "../crun", "bin/crun", "crun --x"):
        with pytest.raises(UnknownRuntime):
            check_runtime(name)
    with pytest.raises(RuntimeMissing, match="crun is not installed") as raised:
        find_program("/no/such/crun", str(tmp_path))
    assert "apt-get install crun" in raised.value.hint
    (tmp_path / "crun").write_text("")
    (tmp_path / "crun").chmod(0o755)
    assert find_program("crun", str(tmp_path)) == Program("crun", str(tmp_path / "crun"))


def _first_match(rules: list[dict[str, Any]], name: str, args: tuple[int, ...]) -> str:
    """What our own compiler makes of it: the first rule that fits."""
    for rule in rules:
        if name in rule["names"] and _fits(rule, args):
            return str(rule["action"])
    return "default"


def _fits(rule: dict[str, Any], args: tuple[int, ...]) -> bool:
    return all(
        args[item["index"]] & item["value"] == item["valueTwo"] & item["value"]
        for item in rule.get("args") or ()
    )


WORDS = st.integers(0, 7)
CONDITION = st.builds(
    lambda index, mask, value: {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"},
    st.integers(0, 1),
    st.integers(1, 7),
    WORDS,
)


@given(st.lists(st.lists(CONDITION, min_size=1, max_size=2, unique_by=lambda c: c["index"]), max_size=4))
def test_rules_without_overlaps_mean_the_same(refusals: list[list[dict[str, Any]]]) -> None:
    rules = [{"names": ["x"], "action": "SCMP_ACT_ERRNO", "args": args} for args in refusals]
    rules.append({"names": ["x", "y"], "action": "SCMP_ACT_ALLOW", "args": []})
    made = without_overlaps({"syscalls": rules})["syscalls"]
    for args in ((a, b) for a in range(8) for b in range(8)):
        wanted = _first_match(rules, "x", args)
        fitting = [rule["action"] for rule in made if "x" in rule["names"] and _fits(rule, args)]
        assert {*fitting} == {wanted}
        assert fitting.count("SCMP_ACT_ALLOW") <= 1
    assert _first_match(made, "y", (0, 0)) == "SCMP_ACT_ALLOW"
    if refusals:
        assert not [rule for rule in made if "x" in rule["names"] and not rule["args"]]


def test_our_own_profile_allows_no_call_whole_that_it_refuses_in_part() -> None:
    made = without_overlaps(default_profile([]))["syscalls"]
    whole = {name for rule in made for name in rule["names"] if not rule.get("args")}
    partly = {name for rule in made for name in rule["names"] if rule.get("args")}
    assert {"ioctl", "socket", "clone", "personality"} <= partly
    assert not whole & {"ioctl", "socket", "clone", "personality"}
