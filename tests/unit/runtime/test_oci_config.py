"""What a config.json comes to, and what of it is refused by name. Pure."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cowl import OciRuntime
from cowl.oci_cli.table import COMMANDS, GLOBAL
from cowl.oci_cli.words import UsageError, parse
from cowl.runtime.mount_plan import UnsupportedSpec
from cowl.runtime.oci.config import InvalidConfig, read_config
from cowl.runtime.oci.groups import Groups
from cowl.runtime.oci.mount_words import NO_DEV, NO_SUID, READ_ONLY, read_mount
from cowl.runtime.oci.state import States


def changed(path: str, value: Any) -> dict[str, Any]:
    config: dict[str, Any] = copy.deepcopy(OciRuntime.example())
    *above, last = path.split(".")
    place = config
    for name in above:
        place = place.setdefault(name, {})
    place[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ociVersion", "2.0.0"),
        ("windows", {"layerFolders": []} | {"x": 1}),
        ("process.apparmorProfile", "docker-default"),
        ("process.selinuxLabel", "a:b:c"),
        ("process.ioPriority", {"class": "IOPRIO_CLASS_IDLE"}),
        ("process.scheduler", {"policy": "SCHED_BATCH"}),
        ("linux.intelRdt", {"closID": "x"}),
        ("linux.personality", {"domain": "LINUX32"}),
        ("linux.timeOffsets", {"monotonic": {"secs": 1}}),
        ("linux.mountLabel", "x"),
        ("linux.namespaces", [{"type": "pid"}]),
        ("linux.namespaces", [{"type": "mount", "path": "/proc/1/ns/mnt"}]),
        ("linux.namespaces", [{"type": "mount"}, {"type": "time"}]),
        ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}),
        ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]}),
        ("mounts", [{"destination": "/x", "type": "bind", "source": "/y", "options": ["bind", "remount"]}]),
        ("mounts", [{"destination": "/x", "type": "bind", "source": "/y", "uidMappings": [{"size": 1}]}]),
    ],
)
def test_what_is_not_done_is_refused_by_name(path: str, value: Any) -> None:
    with pytest.raises(UnsupportedSpec):
        read_config(changed(path, value), "/bundle")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ociVersion", ""),
        ("root", {}),
        ("process.args", []),
        ("process.cwd", "relative"),
        ("process.user.uid", 4294967295),
        ("process.user.uid", -1),
        ("process.user.uid", True),
        ("process.args", ["a\0b"]),
        ("process.args", [1]),
        ("process.rlimits", [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]),
        ("linux.namespaces", [{"type": "mount"}, {"type": "mount"}]),
        ("linux.namespaces", [{"type": "mount"}, {"type": "user"}]),
        ("linux.namespaces", [{"type": "mount"}]),
        ("linux.rootfsPropagation", "sideways"),
        ("linux.devices", [{"path": "/dev/x", "type": "z"}]),
        ("hooks", {"prestart": [{"path": "relative"}]}),
        ("hooks", {"prestart": [{"path": "/x", "timeout": 0}]}),
        ("mounts", [{"type": "tmpfs"}]),
        ("mounts", [{"destination": "/x"}]),
        ("mounts", 5),
    ],
)
def test_what_is_malformed_is_said(path: str, value: Any) -> None:
    from cowl.errors import Invalid

    with pytest.raises(Invalid) as raised:
        read_config(changed(path, value), "/bundle")
    assert not isinstance(raised.value, UnsupportedSpec)
    assert "config.json" in raised.value.message


def test_annotations_mean_nothing() -> None:
    """CVE-2024-3154's class: run.oci.* and systemd's properties are words like any others."""
    hostile = {
        "run.oci.hooks.stdout": "/tmp/x",
        "run.oci.mount_context_type": "x",
        "run.oci.handler": "krun",
        "org.systemd.property.ExecStartPre": "/bin/sh",
        "io.katacontainers.config.hypervisor.path": "/bin/sh",
    }
    plain = read_config(changed("annotations", {}), "/bundle")
    assert read_config(changed("annotations", hostile), "/bundle").replace(annotations={}) == plain
    with pytest.raises(InvalidConfig):
        read_config(changed("annotations", ["x"]), "/bundle")


def test_options_of_mounts() -> None:
    words = ["rbind", "ro", "rw", "nosuid", "nodev", "dev", "rro", "rslave", "idmap", "size=5"]
    mount = read_mount({"destination": "x/../y", "source": "rel", "options": words}, "/bundle")
    assert (mount.target, mount.source, mount.bind, mount.recursive) == ("/y", "/bundle/rel", True, True)
    assert (mount.attributes, mount.cleared) == (NO_SUID, READ_ONLY | NO_DEV)
    assert mount.all_attributes == READ_ONLY
    assert (mount.propagation, mount.deep, mount.idmap, mount.data) == ("slave", True, True, (("size", "5"),))


def test_limits_that_are_not_done_are_refused() -> None:
    asked: tuple[dict[str, Any], ...] = (
        {"network": {"classID": 1}},
        {"rdma": {"x": {}}},
        {"hugepageLimits": [{}]},
    )
    for resources in asked:
        with pytest.raises(UnsupportedSpec):
            Groups(read_config(changed("linux.resources", resources), "/bundle"), "box")
    with pytest.raises(UnsupportedSpec, match="systemd"):
        Groups(read_config(changed("linux.cgroupsPath", "system.slice:x:y"), "/bundle"), "box")


def test_ids_are_no_paths() -> None:
    from cowl.errors import Invalid

    for identity in ("", ".", "..", "a/b", "../x", "a b", "a\n"):
        with pytest.raises(Invalid):
            States("/run/x").path(identity)


def test_command_lines() -> None:
    top = parse(GLOBAL, ["--root=/r", "--log", "/l", "--rootless=true", "create", "--bundle", "/b", "x"])
    assert (top.text("root"), top.text("log"), top.words) == ("/r", "/l", ("create", "--bundle", "/b", "x"))
    made = parse(COMMANDS["exec"], ["-e", "A=1", "--env=B=2", "-t", "box", "ls", "-l"])
    assert (made.many("env"), made.on("tty"), made.words) == (("A=1", "B=2"), True, ("box", "ls", "-l"))
    assert parse(COMMANDS["kill"], ["box", "9", "--all"]).on("all")
    for words in (["--no-pivot", "x"], ["--nonsense", "x"], [], ["a", "b"], ["--bundle"]):
        with pytest.raises(UsageError):
            parse(COMMANDS["create"], words)
    with pytest.raises(UsageError, match="cgroupfs"):
        parse(GLOBAL, ["--systemd-cgroup", "list"])
