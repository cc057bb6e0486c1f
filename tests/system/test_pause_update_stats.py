"""Containers held still, changed while they run, and measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.system.test_detached import monitors, state, until

BASE = "busybox"
CGROUPS = Path("/sys/fs/cgroup")
OBEYS = "trap 'exit 7' TERM; : > /ready; while :; do sleep 0.02; done"
COUNT = "i=0; while :; do i=$((i+1)); echo $i > /count; done"


def ticks(caller: Caller, name: str) -> int:
    """Processor time that its first process has had."""
    pid = state(caller, name)["Pid"]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def obeys(caller: Caller) -> bool:
    """Whether the container has come as far as to exit with 7 when it is asked to stop."""
    return caller.cowl("exec", "box", "test", "-e", "/ready", status=None).returncode == 0


def test_a_paused_container_stands_still(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "box", BASE, "sh", "-c", COUNT)
    until(lambda: ticks(based, "box") > 0)
    assert based.text("pause", "box") == "box"
    assert (state(based, "box")["Status"], state(based, "box")["Paused"]) == ("paused", True)
    assert based.text("ps", "--format", "{{.Status}}").endswith(" (Paused)")
    before = ticks(based, "box")
    done = based.cowl("exec", "box", "true", status=1)
    assert b"is paused, unpause the container before exec" in done.stderr
    assert b"is already paused" in based.cowl("pause", "box", status=1).stderr
    snapshot = based.text("commit", "box")
    assert snapshot.startswith("sha256:")
    assert ticks(based, "box") == before
    assert based.text("unpause", "box") == "box"
    until(lambda: ticks(based, "box") > before)
    assert b"is not paused" in based.cowl("unpause", "box", status=1).stderr
    assert state(based, "box")["Status"] == "running"
    actions = based.text("events", "--since", "1h", "--until", "0s", "--format", "{{.Action}}").split()
    assert [each for each in actions if "pause" in each] == ["pause", "unpause"]


@pytest.mark.parametrize(
    ("words", "code"),
    [(("stop", "-t", "30"), 7), (("kill",), 137), (("rm", "-f"), None), (("restart", "-t", "30"), None)],
)
def test_what_ends_a_container_ends_a_paused_one(based: Caller, words: tuple[str, ...], code: int) -> None:
    based.cowl("run", "-d", "--name", "box", BASE, "sh", "-c", OBEYS)
    until(lambda: obeys(based))
    based.cowl("pause", "box")
    based.cowl(*words, "box")
    if words[0] == "rm":
        assert based.text("ps", "-aq") == ""
    elif words[0] == "restart":
        assert state(based, "box")["Status"] == "running"
    else:
        assert based.text("wait", "box") == str(code)


def test_a_paused_container_dies_with_its_monitor(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "box", BASE, "sh", "-c", COUNT)
    pid = int(str(state(based, "box")["Pid"]))
    based.cowl("pause", "box")
    for monitor in monitors(based):
        os.kill(monitor, signal.SIGKILL)
    until(lambda: based.text("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)"))
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_command_in_front_passes_signals_to_a_paused_container(based: Caller) -> None:
    argv = based.argv("run", "--name", "box", BASE, "sh", "-c", OBEYS)
    command = subprocess.Popen(argv, env=based.env, stdout=subprocess.DEVNULL)
    until(lambda: obeys(based))
    based.cowl("pause", "box")
    command.send_signal(signal.SIGTERM)
    assert command.wait(60) == 7
    assert state(based, "box")["ExitCode"] == 7


def test_a_block_that_ends_ends_what_another_has_paused(based: Caller) -> None:
    code = """
import cowl
with cowl.Engine() as engine, engine.start("busybox", ["sleep", "1000"]) as box:
    engine.container(box.id).pause()
    assert box.refresh().state == "paused"
assert engine.containers(all=True) == []
"""
    done = based.python(code)
    assert done.returncode == 0, done.stderr.decode()


def test_limits_change_while_it_runs_all_or_none(root_caller: Caller, busybox_tar: Path) -> None:
    caller = root_caller
    caller.cowl("import", str(busybox_tar), BASE)
    found = caller.text("run", "-d", "--name", "box", "-m", "64m", BASE, "sleep", "1000")
    memory, pids = CGROUPS / "memory" / "cowl" / found, CGROUPS / "pids" / "cowl" / found
    try:
        flags = ("-m", "128m", "--pids-limit", "9", "--cpuset-cpus", "0", "--restart", "always")
        assert caller.text("update", *flags, "box") == "box"
        assert (memory / "memory.limit_in_bytes").read_text() == f"{128 << 20}\n"
        assert (memory / "memory.memsw.limit_in_bytes").read_text() == f"{256 << 20}\n"
        assert (pids / "pids.max").read_text() == "9\n"
        status = caller.text("exec", "box", "cat", "/proc/1/status")
        assert "Cpus_allowed_list:\t0\n" in status
        config = json.loads(caller.text("inspect", "box"))[0]["HostConfig"]
        assert (config["Memory"], config["PidsLimit"], config["CpusetCpus"]) == (128 << 20, 9, "0")
        assert config["RestartPolicy"]["Name"] == "always"
        done = caller.cowl(
            "update", "-m", "32m", "--pids-limit", "8", "--cpuset-cpus", "999", "box", status=1
        )
        assert b"cpuset.cpus" in done.stderr
        assert (memory / "memory.limit_in_bytes").read_text() == f"{128 << 20}\n"
        assert (memory / "memory.memsw.limit_in_bytes").read_text() == f"{256 << 20}\n"
        assert (pids / "pids.max").read_text() == "9\n"
        assert json.loads(caller.text("inspect", "box"))[0]["HostConfig"]["Memory"] == 128 << 20
        assert b"one or more flags" in caller.cowl("update", "box", status=1).stderr
        assert b"Minimum memory limit" in caller.cowl("update", "-m", "1m", "box", status=1).stderr
    finally:
        caller.cowl("rm", "-f", "box")


def test_what_is_stopped_starts_with_the_new_limits(root_caller: Caller, busybox_tar: Path) -> None:
    root_caller.cowl("import", str(busybox_tar), BASE)
    script = "grep Cpus_allowed_list /proc/self/status; ulimit -n"
    root_caller.cowl("create", "--name", "box", BASE, "sh", "-c", script)
    root_caller.cowl("update", "--cpuset-cpus", "0", "box")
    assert root_caller.text("start", "-a", "box").split()[1] == "0"


def test_an_ordinary_user_updates_the_policy_alone(ordinary_caller: Caller, busybox_tar: Path) -> None:
    ordinary_caller.cowl("import", str(busybox_tar), BASE)
    ordinary_caller.cowl("create", "--name", "box", BASE, "true")
    ordinary_caller.cowl("create", "--rm", "--name", "gone", BASE, "true")
    ordinary_caller.cowl("update", "--restart", "on-failure:2", "box")
    config = json.loads(ordinary_caller.text("inspect", "box"))[0]["HostConfig"]
    assert config["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    done = ordinary_caller.cowl("update", "--restart", "always", "gone", status=1)
    assert b"AutoRemove is enabled" in done.stderr


def test_stats_as_a_table_and_as_values(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "busy", "--network", "none", BASE, "sh", "-c", COUNT)
    based.cowl("create", "--name", "idle", BASE, "true")
    lines = based.text("stats", "--no-stream").splitlines()
    assert lines[0].split("  ")[0] == "CONTAINER ID"
    assert [line.split()[1] for line in lines[1:]] == ["busy"]
    rows = based.text("stats", "--no-stream", "--all", "--format", "json").splitlines()
    found = {row["Name"]: row for row in map(json.loads, rows)}
    assert found["idle"]["CPUPerc"] == found["idle"]["PIDs"] == "--"
    assert float(found["busy"]["CPUPerc"].removesuffix("%")) > 0
    assert int(found["busy"]["PIDs"]) >= 1
    assert "iB / " in found["busy"]["MemUsage"]
    assert found["busy"]["NetIO"] == "0B / 0B"  # a loopback alone
    based.cowl("stats", "--no-stream", "nobody", status=1)
    code = """
import cowl
with cowl.Engine() as engine:
    box = engine.container("busy")
    first = box.stats()
    while (second := box.stats(since=first)).cpu_ns == first.cpu_ns:
        pass
    assert 0 < second.memory_bytes < second.memory_limit_bytes
    assert second.cpu_percent > 0 and second.pids >= 1 and second.name == "busy"
    assert engine.container("idle").stats().memory_bytes is None
"""
    done = based.python(code)
    assert done.returncode == 0, done.stderr.decode()


def test_stats_are_drawn_again_until_interrupted(root_caller: Caller, busybox_tar: Path) -> None:
    root_caller.cowl("import", str(busybox_tar), BASE)
    root_caller.cowl("create", "--name", "box", BASE, "true")
    argv = root_caller.argv("stats", "--format", "{{.Name}}", "box")
    process = subprocess.Popen(argv, env=root_caller.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == [b"box\n", b"box\n"]
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode in (130, -signal.SIGINT)
