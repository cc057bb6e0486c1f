"""A container's share of the machine, enforced for real: what exceeds it, and what is left afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller
from tests.system.test_detached import monitors, state, until

BASE = "busybox"
CGROUPS = Path("/sys/fs/cgroup")
BOMB = "i=0; while [ $i -lt 40 ]; do sleep 100 >/dev/null 2>&1 & i=$((i+1)); done"
HOG = ["sh", "-c", "a=xxxxxxxx; while :; do a=$a$a; done"]


@pytest.fixture
def rooted(root_caller: Caller, busybox_tar: Path) -> Iterator[Caller]:
    """Root, with version 1's controllers."""
    if not (CGROUPS / "pids").is_dir():
        pytest.skip("needs the hierarchies of cgroup version 1")
    root_caller.cowl("import", str(busybox_tar), BASE)
    yield root_caller
    left = root_caller.text("ps", "-aq").split()
    if left:
        root_caller.cowl("rm", "-f", *left, status=None)


def groups(identity: str) -> list[Path]:
    """Directories of a container's cgroups."""
    return [each for each in CGROUPS.glob(f"*/cowl/{identity}*") if each.is_dir()]


def identity(caller: Caller, name: str) -> str:
    return str(json.loads(caller.text("inspect", name))[0]["Id"])


def test_a_container_has_a_cgroup_while_it_runs(rooted: Caller) -> None:
    found = rooted.text("run", "-d", BASE, "sleep", "1000")
    assert {each.parent.parent.name for each in groups(found)} >= {"pids", "memory", "freezer", "cpu"}
    assert (CGROUPS / "pids" / "cowl" / found / "pids.max").read_text() == "2048\n"
    inside = set(rooted.text("exec", found, "cut", "-d:", "-f3", "/proc/self/cgroup").split())
    assert inside == {"/"}  # a cgroup namespace of its own: it does not see where it is
    assert len((CGROUPS / "pids" / "cowl" / found / "cgroup.procs").read_text().split()) == 1
    rooted.cowl("rm", "-f", found)
    assert groups(found) == []


def test_a_memory_hog_is_killed_and_that_is_recorded(rooted: Caller) -> None:
    rooted.cowl("run", "--name", "hog", "-m", "16m", BASE, *HOG, status=137)
    assert state(rooted, "hog")["OOMKilled"] is True
    rooted.cowl("run", "-d", "--name", "back", "-m", "16m", BASE, *HOG)
    rooted.cowl("wait", "back")
    assert (state(rooted, "back")["OOMKilled"], state(rooted, "back")["ExitCode"]) == (True, 137)
    rooted.cowl("run", "--name", "fine", "-m", "16m", BASE, "true")
    assert state(rooted, "fine")["OOMKilled"] is False
    rooted.cowl("start", "-a", "hog", status=137)
    assert state(rooted, "hog")["OOMKilled"] is True


def test_a_fork_bomb_stops_at_the_limit_also_in_exec(rooted: Caller) -> None:
    done = rooted.cowl("run", "--rm", "--pids-limit", "10", BASE, "sh", "-c", BOMB, status=None)
    assert b"Resource temporarily unavailable" in done.stderr
    found = rooted.text("run", "-d", "--pids-limit", "10", BASE, "sleep", "1000")
    done = rooted.cowl("exec", found, "sh", "-c", BOMB, status=None)
    assert b"Resource temporarily unavailable" in done.stderr
    assert 1 < int((CGROUPS / "pids" / "cowl" / found / "pids.current").read_text()) <= 10


def test_an_exec_counts_for_the_memory_limit(rooted: Caller) -> None:
    found = rooted.text("run", "-d", "-m", "16m", BASE, "sleep", "1000")
    rooted.cowl("exec", found, *HOG, status=137)


def test_the_limits_are_what_the_kernel_was_told(rooted: Caller) -> None:
    flags = "-m 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0"
    more = "--cpuset-mems 0 --pids-limit 77 --ulimit nofile=99:100 --shm-size 2m --oom-score-adj 500"
    found = rooted.text("run", "-d", *flags.split(), *more.split(), BASE, "sleep", "1000")
    told = {
        "memory/memory.limit_in_bytes": 64 << 20,
        "memory/memory.memsw.limit_in_bytes": 96 << 20,
        "memory/memory.soft_limit_in_bytes": 32 << 20,
        "cpu/cpu.cfs_quota_us": 50000,
        "cpu/cpu.shares": 512,
        "pids/pids.max": 77,
    }
    for name, value in told.items():
        controller, file = name.split("/")
        assert int((CGROUPS / controller / "cowl" / found / file).read_text()) == value, name
    script = "ulimit -n; ulimit -Hn; df -k /dev/shm | tail -1; cat /proc/1/oom_score_adj"
    soft, hard, shm, score = rooted.text("exec", found, "sh", "-c", script).splitlines()
    assert (soft, hard, shm.split()[1], score) == ("99", "100", "2048", "500")
    assert rooted.text("exec", found, "sh", "-c", _OPEN_FILES).split()[3:5] == ["99", "100"]
    assert "Cpus_allowed_list:\t0\n" in rooted.text("exec", found, "cat", "/proc/self/status")
    config = json.loads(rooted.text("inspect", found))[0]["HostConfig"]
    assert (config["Memory"], config["NanoCpus"], config["PidsLimit"]) == (64 << 20, 5 * 10**8, 77)
    assert config["Ulimits"] == [{"Name": "nofile", "Soft": 99, "Hard": 100}]


_OPEN_FILES = "grep 'Max open files' /proc/1/limits"


def test_what_docker_refuses_is_refused(rooted: Caller) -> None:
    for flags, said in (
        (["-m", "4m"], "Minimum memory limit allowed is 6MB"),
        (["--cpus", "4096"], "CPUs available"),
        (["--cpuset-cpus", "4095"], "cpuset.cpus"),
        (["--ulimit", "files=1"], "invalid ulimit type"),
    ):
        done = rooted.cowl("run", "--rm", *flags, BASE, "true", status=125)
        assert said in done.stderr.decode()
    assert rooted.text("ps", "-aq") == ""


def test_limits_without_a_cgroup_are_refused_by_name(ordinary_caller: Caller, busybox_tar: Path) -> None:
    ordinary_caller.cowl("import", str(busybox_tar), BASE)
    done = ordinary_caller.cowl("run", "-m", "64m", "--cpus", "1", BASE, "true", status=125)
    assert b"--memory, --cpus can't be enforced: " in done.stderr
    assert b"--ulimit" in done.stderr
    assert ordinary_caller.text("ps", "-aq") == ""
    assert ordinary_caller.text("run", "--rm", "--ulimit", "nofile=99", BASE, "sh", "-c", "ulimit -n") == "99"


def test_nothing_is_left_when_everybody_is_killed(rooted: Caller) -> None:
    script = "trap '' TERM; sleep 1000 & wait"
    argv = rooted.argv("run", "--rm", "--name", "front", BASE, "sh", "-c", script)
    command = subprocess.Popen(argv, env=rooted.env, stdout=subprocess.DEVNULL)
    rooted.cowl("run", "-d", "--name", "back", BASE, "sh", "-c", script)
    until(lambda: rooted.cowl("exec", "front", "true", status=None).returncode == 0)
    names = [identity(rooted, name) for name in ("front", "back")]
    assert all(map(groups, names))
    keepers = _children(command.pid)
    for pid in (command.pid, *keepers, *monitors(rooted)):
        os.kill(pid, signal.SIGKILL)
    command.wait()
    until(lambda: rooted.text("ps", "-q") == "")
    assert [groups(name) for name in names] == [[], []]


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_forty_at_once_leave_no_cgroup(rooted: Caller) -> None:
    code = f"""
import os, sys, threading, cowl
engine = cowl.Engine()
done = []
def one(number):
    done.append(engine.run("{BASE}", ["sh", "-c", f"exit {{number}}"]))
threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert sorted(each.returncode for each in done) == [*range(40)]
print(*(each.container_id for each in done))
"""
    done = rooted.python(code)
    assert done.returncode == 0, done.stderr.decode()
    names: list[Any] = done.stdout.decode().split()
    assert len(names) == 40
    assert [each for name in names for each in groups(name)] == []


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_the_limits_hold_with_another_runtime(rooted: Caller, runtime: str) -> None:
    if shutil.which(runtime) is None:
        pytest.skip(f"needs Debian's package {runtime}")
    flags = ("--runtime", runtime, "-m", "24m", "--pids-limit", "10")
    rooted.cowl("run", "--name", "hog", *flags, BASE, *HOG, status=137)
    assert state(rooted, "hog")["OOMKilled"] is True
    assert groups(identity(rooted, "hog")) == []
    found = rooted.text("run", "-d", *flags, BASE, "sleep", "1000")
    done = rooted.cowl("exec", found, "sh", "-c", BOMB, status=None)
    assert b"Resource temporarily unavailable" in done.stderr
    rooted.cowl("rm", "-f", found)
    assert groups(found) == []


def test_a_parent_of_ones_own(rooted: Caller) -> None:
    parent = f"cowl-test-{os.urandom(4).hex()}"
    found = rooted.text("run", "-d", "--cgroup-parent", f"/{parent}/inner", BASE, "sleep", "1000")
    group = CGROUPS / "pids" / parent / "inner" / found
    try:
        assert group.is_dir()
        rooted.cowl("pause", found)
        rooted.cowl("rm", "-f", found)
        assert not group.exists()
    finally:
        for directory in sorted(CGROUPS.glob(f"*/{parent}/**/"), reverse=True):
            if directory.is_dir():
                directory.rmdir()


def test_the_cgroups_of_the_host_are_out_of_reach(rooted: Caller) -> None:
    script = (
        "ls -A /sys/fs/cgroup; touch /sys/fs/cgroup/x; mkdir /sys/fs/cgroup/y; find / -name release_agent"
    )
    done = rooted.cowl(
        "run", "--rm", BASE, "sh", "-c", f"({script}) 2>&1; mount -t cgroup c /mnt", status=None
    )
    assert done.stdout.count(b"Read-only file system") == 2
    assert b"release_agent" not in done.stdout
    assert b"not permitted" in done.stderr or b"denied" in done.stderr
    assert done.returncode != 0
