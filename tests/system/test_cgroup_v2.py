"""Version 2's cgroups alone, as most machines have them: in a mount namespace where nothing else is mounted.

The controllers of this host may be version 1's; what is tried here needs none: being cloned into a group, its
namespace, freezing, killing, removal, and a subtree that was delegated to an ordinary user.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import ORDINARY_ID, Caller
from tests.system.test_detached import state, until

BASE = "busybox"
MOUNTS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
UNIFIED = next((each for each in MOUNTS if (each / "cgroup.controllers").exists()), None)
COUNT = "i=0; while :; do i=$((i+1)); done"
ALONE = f"mount --bind {UNIFIED} /sys/fs/cgroup && "


def in_namespace(caller: Caller, prepare: str, after: list[str]) -> Caller:
    """The caller where only version 2 is mounted, after a shell command of root's."""
    prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{prepare} exec "$@"', "sh"]
    return Caller(caller.name, caller.home, [*prefix, *after], caller._python, _own_env(caller))


def _own_env(caller: Caller) -> dict[str, str]:
    return {key: value for key, value in caller.env.items() if key.startswith("PYTHON")}


@pytest.fixture
def delegated(caller: Caller, busybox_tar: Path) -> Iterator[tuple[Caller, Path]]:
    """A caller with the group below which its containers' are made: root's top, or a user's subtree."""
    if os.geteuid() != 0 or UNIFIED is None:
        pytest.skip("needs root, and a mounted hierarchy of version 2")
    place = UNIFIED
    found = in_namespace(caller, ALONE, [])
    if caller.name != "root":
        place = UNIFIED / f"cowl-test-{os.getpid()}-{os.urandom(3).hex()}"
        (place / "session").mkdir(parents=True)
        for directory in (place, place / "session"):
            for each in (directory, *(directory / f"cgroup.{name}" for name in ("procs", "subtree_control"))):
                os.chown(each, ORDINARY_ID, ORDINARY_ID)
        found = in_namespace(caller, f"echo $$ > {place}/session/cgroup.procs && {ALONE}", caller._prefix)
    found.cowl("import", str(busybox_tar), BASE)
    yield found, place
    left = found.text("ps", "-aq").split()
    if left:
        found.cowl("rm", "-f", *left, status=None)
    if place != UNIFIED:
        until(lambda: not (place / "session" / "cgroup.procs").read_text())
        for name in ("cowl", "session", "."):
            if (place / name).is_dir():
                (place / name).rmdir()


def test_a_container_is_cloned_into_its_group(delegated: tuple[Caller, Path]) -> None:
    caller, place = delegated
    box = caller.text("run", "-d", "--name", "box", BASE, "sh", "-c", COUNT)
    group = place / "cowl" / box
    assert (group / "cgroup.procs").read_text().split() == [str(state(caller, "box")["Pid"])]
    script = "tail -1 /proc/self/cgroup; ls /sys/fs/cgroup/cgroup.procs; echo 0 > /sys/fs/cgroup/cgroup.procs"
    done = caller.cowl("exec", "box", "sh", "-c", script, status=1)
    assert done.stdout == b"0::/\n/sys/fs/cgroup/cgroup.procs\n"  # the top of its own namespace
    assert b"Read-only file system" in done.stderr
    caller.cowl("pause", "box")
    assert "frozen 1" in (group / "cgroup.events").read_text()
    row = json.loads(caller.text("stats", "--no-stream", "--format", "json", "box"))
    assert row["CPUPerc"] == "0.00%"
    caller.cowl("unpause", "box")
    assert "frozen 0" in (group / "cgroup.events").read_text()
    caller.cowl("pause", "box")
    caller.cowl("rm", "-f", "box")
    assert not group.exists()


def test_run_leaves_no_group(delegated: tuple[Caller, Path]) -> None:
    caller, place = delegated
    caller.cowl("run", "--rm", BASE, "sh", "-c", "exit 7", status=7)
    caller.cowl("run", "--name", "none", BASE, "/no/such", status=127)
    left = [each.name for each in (place / "cowl").iterdir() if each.is_dir()]
    assert not set(left) & set(caller.text("ps", "-aq", "--no-trunc").split())


def test_inside_of_a_container_that_is_no_top_of_the_host(root_caller: Caller, busybox_tar: Path) -> None:
    """The top of a cgroup namespace has our processes and gives no controllers on: no limit is implied."""
    if UNIFIED is None:
        pytest.skip("needs a mounted hierarchy of version 2")
    place = UNIFIED / f"cowl-test-{os.getpid()}-{os.urandom(3).hex()}"
    place.mkdir()
    again = "mount -t cgroup2 none /sys/fs/cgroup && exec"
    words = f"exec unshare --cgroup --mount sh -c '{again} \"$@\"' sh"
    prepare = f'echo $$ > {place}/cgroup.procs && {words} "$@"; '
    caller = in_namespace(root_caller, prepare, [])
    try:
        caller.cowl("import", str(busybox_tar), BASE)
        assert caller.text("run", "--rm", BASE, "tail", "-1", "/proc/self/cgroup") == "0::/"
        done = caller.cowl("run", "--rm", "--pids-limit", "9", BASE, "true", status=125)
        assert b"pids.limit can't be enforced" in done.stderr
        assert (place / "cowl").is_dir()
    finally:
        until(lambda: not (place / "cgroup.procs").read_text())
        for name in ("cowl", "."):
            if (place / name).is_dir():
                (place / name).rmdir()


def test_a_controller_that_can_not_be_had_is_named(delegated: tuple[Caller, Path]) -> None:
    caller, place = delegated
    if "cpuset" in (UNIFIED or place).joinpath("cgroup.controllers").read_text().split():
        pytest.skip("this host's controllers are version 2's")
    done = caller.cowl("run", "--rm", "--cpuset-cpus", "0", BASE, "true", status=125)
    assert b"cpu.cpus can't be enforced: the cgroup controller cpuset can't be used" in done.stderr
    assert caller.text("ps", "-aq") == ""
