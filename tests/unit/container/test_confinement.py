"""Options about isolation: Docker's words, their folding, and what is refused before anything starts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cowl.container.capabilities import UnknownCapability, fold_capabilities
from cowl.container.confinement import (
    Confinement,
    NotForOneId,
    check_confinement,
    check_rung,
    gives_up,
    make_confinement,
    profile,
)
from cowl.container.options import RunOptions, Settings, fold, run_options
from cowl.container.security_options import SecurityOptionRefused, parse_security
from cowl.container.sysctls import SysctlRefused
from cowl.container.words import InvalidOptions
from cowl.errors import Invalid
from cowl.linux.credentials import CAPABILITIES as EVERY
from cowl.linux.rung import ROOT, SINGLE
from cowl.oci.image_config import ContainerConfig
from cowl.runtime.options import CAPABILITIES as DEFAULT


@pytest.mark.parametrize(
    ("add", "drop", "held"),
    [
        ([], [], {*DEFAULT}),
        (["net_raw"], [], {*DEFAULT, "CAP_NET_RAW"}),
        (["CAP_NET_RAW"], ["chown"], {*DEFAULT, "CAP_NET_RAW"} - {"CAP_CHOWN"}),
        (["chown"], ["chown"], {*DEFAULT}),
        (["ALL"], [], {*EVERY}),
        (["all"], ["SYS_ADMIN"], {*EVERY} - {"CAP_SYS_ADMIN"}),
        ([], ["ALL"], set()),
        (["kill"], ["all"], {"CAP_KILL"}),
        (["ALL"], ["ALL"], {*EVERY}),
    ],
)
def test_capabilities_are_folded_as_docker_does(add: list[str], drop: list[str], held: set[str]) -> None:
    assert {*fold_capabilities(add, drop, privileged=False)} == held
    assert {*fold_capabilities(add, drop, privileged=True)} == {*EVERY}


@pytest.mark.parametrize("word", ["", "nope", "CAP_", "chown,kill", "CAP_CAP_CHOWN"])
def test_unknown_capabilities(word: str) -> None:
    with pytest.raises(UnknownCapability, match="invalid CapDrop: unknown capability"):
        fold_capabilities([], [word], privileged=False)


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (["no-new-privileges"], (True, "", None)),
        (["no-new-privileges=true"], (True, "", None)),
        (["no-new-privileges:false"], (False, "", None)),
        (["seccomp=unconfined", "apparmor=unconfined", "label=disable"], (None, "unconfined", None)),
        (["label:disable", "systempaths=unconfined"], (None, "", False)),
    ],
)
def test_security_options(words: list[str], meaning: tuple[Any, ...]) -> None:
    assert tuple(parse_security(words).as_dict().values()) == meaning


@pytest.mark.parametrize(
    "word",
    [
        *(
            "",
            "nope",
            "nope=1",
            "no-new-privileges=maybe",
            "no-new-privileges=",
            "seccomp=",
            "seccomp=/no/such",
        ),
        *("apparmor=docker-default", "label=type:x", "systempaths=confined", "writable-cgroups=true"),
    ],
)
def test_security_options_that_are_refused(word: str) -> None:
    with pytest.raises(SecurityOptionRefused):
        check_confinement(make_confinement(security_opt=[word]), "none", "")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("kernel.core_pattern=x", "of the whole machine"),
        ("a=1+kernel.core_pattern=", "of the whole machine"),
        ("net.ipv4/../../kernel/core_pattern=x", "of the whole machine"),
        ("net...kernel.core_pattern=x", "of the whole machine"),
        ("net.=1", "of the whole machine"),
        ("vm.overcommit_memory=1", "of the whole machine"),
        ("net.ipv4.ip_forward", "not allowed"),
        ("net.ipv4.ip_forward=1\n2", "not one line"),
        ("net.ipv4.ip_forward=", "not one line"),
    ],
)
def test_sysctls_that_are_refused(word: str, reason: str) -> None:
    with pytest.raises(SysctlRefused, match=reason):
        check_confinement(make_confinement(sysctls=[word]), "none", "")


def test_sysctls_of_a_namespace_that_is_the_host_s_are_refused() -> None:
    asked = make_confinement(sysctls={"net.ipv4.ip_forward": "1"})
    check_confinement(asked, "none", "")
    with pytest.raises(SysctlRefused, match="the host's network namespace"):
        check_confinement(asked, "host", "")
    asked = make_confinement(sysctls=["kernel.shmmax=1"])
    check_confinement(asked, "host", "")
    with pytest.raises(SysctlRefused, match="the host's ipc namespace"):
        check_confinement(asked.replace(ipc="host"), "none", "")


@pytest.mark.parametrize("option", ["pid", "ipc", "uts", "userns", "cgroupns"])
def test_modes_that_are_not_known(option: str) -> None:
    with pytest.raises(InvalidOptions, match=f"--{option}: invalid [A-Z]+ mode 'nope'"):
        check_confinement(Confinement(**{option: "nope"}), "none", "")  # type: ignore[arg-type]
    with pytest.raises(InvalidOptions, match="not available yet"):
        check_confinement(Confinement(**{option: "container:x"}), "none", "")  # type: ignore[arg-type]


def test_what_one_id_can_not_have() -> None:
    for asked in (Confinement(userns="host"), Confinement(group_add=("5",))):
        check_rung(asked, ROOT)
        with pytest.raises(NotForOneId):
            check_rung(asked, SINGLE)
    check_rung(Confinement(privileged=True), SINGLE)


def test_what_is_given_up_is_said() -> None:
    assert gives_up(Confinement(cap_add=("ALL",), uts="host"), ROOT) == ""
    assert "the user namespace" in gives_up(Confinement(userns="host"), ROOT)
    assert "the user namespace" in gives_up(Confinement(privileged=True), ROOT)
    for own in (
        gives_up(Confinement(privileged=True), SINGLE),
        gives_up(Confinement(privileged=True, userns="private"), ROOT),
    ):
        assert "the system call filter" in own and "user namespace" not in own


def test_it_is_kept_with_the_container() -> None:
    options = run_options(cap_add=["kill"], sysctls={"net.x.y": "1"}, group_add=[5])
    settings = fold("image", ContainerConfig(), ["true"], options)
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert settings.confinement == Confinement(
        cap_add=("kill",), sysctls=(("net.x.y", "1"),), group_add=("5",)
    )
    plain = fold("image", ContainerConfig(), ["true"], run_options(cap_add=(), privileged=False))
    assert plain.confinement is None and RunOptions().confinement is None


# Docker's profiles


def rules(text: dict[str, Any], *capabilities: str) -> list[str]:
    found = profile(
        make_confinement(security_opt=[f"seccomp={json.dumps(text)}"], cap_add=capabilities, cap_drop=["ALL"])
    )
    assert found is not None
    return [name for rule in found["syscalls"] for name in rule["names"]]


STARTING = ("sendmsg", "execve", "exit_group")


def rule(name: str, **more: Any) -> dict[str, Any]:
    return {"names": [name], "action": "SCMP_ACT_ALLOW", **more}


def test_rules_hold_where_they_are_for() -> None:
    text = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            rule("read"),
            *map(rule, STARTING),
            rule("mount", includes={"caps": ["CAP_SYS_ADMIN"]}),
            rule("clone", excludes={"caps": ["CAP_SYS_ADMIN"]}),
            rule("write", includes={"minKernel": "3.8"}),
            rule("ptrace", includes={"minKernel": "99.0"}),
            rule("close", excludes={"minKernel": "99.0"}),
            rule("open", includes={"arches": ["s390x"]}),
            rule("dup", excludes={"arches": ["s390x"]}),
            {"name": "getpid", "action": "SCMP_ACT_ALLOW", "args": None},
        ],
    }
    assert rules(text) == ["read", *STARTING, "clone", "write", "close", "dup", "getpid"]
    assert rules(text, "SYS_ADMIN") == ["read", *STARTING, "mount", "write", "close", "dup", "getpid"]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        "{}",
        '{"defaultAction": "SCMP_ACT_ERRNO"}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_KILL"}]}',
        '{"defaultAction": "SCMP_ACT_NOPE"}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"]}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW",'
        ' "syscalls": [{"name": "a", "names": ["b"], "action": "SCMP_ACT_LOG"}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {"names": 1}}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390X"]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "archMap": [{}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO",'
        ' "args": [{"index": 9, "value": 1, "op": "SCMP_CMP_EQ"}]}]}',
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "SCMP_ACT_LOG",'
        ' "includes": {"minKernel": "x"}}]}',
        '{"a":' * 100_000,
    ],
)
def test_profiles_that_are_none(text: str, tmp_path: Any) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    with pytest.raises(Invalid):
        check_confinement(make_confinement(security_opt=[f"seccomp={file}"]), "none", "")
