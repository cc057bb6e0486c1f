"""Health checks of containers: who looks after a container runs them, and everybody can see the results."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller

WAIT_SECONDS = 30
OFTEN = ("--health-interval", "100ms")


def health(caller: Caller, name: str = "box") -> dict[str, Any]:
    """State.Health of `inspect`."""
    found: dict[str, Any] = json.loads(caller.text("inspect", name))[0]["State"]["Health"]
    return found


def becomes(caller: Caller, status: str, name: str = "box") -> dict[str, Any]:
    """Waits until a container has that status."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := health(caller, name))["Status"] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def descendants(pid: int) -> list[int]:
    """The pids of what descends from a process."""
    found: list[int] = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found


def gone(pids: list[int]) -> bool:
    """Waits until none of these processes is there."""
    deadline = time.monotonic() + WAIT_SECONDS
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_unhealthy_then_healthy(based: Caller) -> None:
    check = "echo fds: /proc/self/fd/*; cat /tmp/flag"
    words = ("--health-cmd", check, *OFTEN, "--health-retries", "2")
    based.cowl("run", "-d", "--name", "box", *words, "busybox", "sleep", "1000")
    found = becomes(based, "unhealthy")
    assert found["FailingStreak"] >= 2
    # 3 is the shell's own, of reading the directory
    fds = "fds: /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n"
    failed = f"{fds}cat: can't open '/tmp/flag': No such file or directory\n"
    assert {(each["ExitCode"], each["Output"]) for each in found["Log"]} == {(1, failed)}
    assert based.text("ps", "--format", "{{.Status}}").endswith(" (unhealthy)")
    assert based.text("ps", "-f", "health=unhealthy", "--format", "{{.Names}}") == "box"
    based.cowl("exec", "box", "touch", "/tmp/flag")
    assert becomes(based, "healthy")["FailingStreak"] == 0
    assert based.text("ps", "--format", "{{.Status}}").endswith(" (healthy)")
    assert based.text("ps", "-f", "health=unhealthy", "-q") == ""
    told = based.text("events", "--since", "1h", "--until", "0s", "-f", "event=health_status")
    assert [line.split()[3] for line in told.splitlines()] == ["unhealthy", "healthy"]
    assert len(health(based)["Log"]) <= 5


def test_a_probe_that_takes_too_long_is_killed_with_its_tree(based: Caller) -> None:
    check = "echo begun; sleep 54321 & sleep 54321"
    words = ("--health-cmd", check, *OFTEN, "--health-timeout", "300ms", "--health-retries", "1")
    based.cowl("run", "-d", "--name", "box", *words, "busybox", "sleep", "1000")
    found = becomes(based, "unhealthy")["Log"][0]
    assert (found["ExitCode"], found["Output"]) == (-1, "Health check exceeded timeout (300ms): begun\n")
    based.cowl("exec", "box", "sh", "-c", "ps -o args | grep -c '^sleep 54321' | xargs test 3 -gt")


def test_output_is_bounded_and_a_command_that_is_missing_is_told(based: Caller) -> None:
    words = ("--health-cmd", "yes | head -c 1000000", *OFTEN)
    based.cowl("run", "-d", "--name", "box", *words, "busybox", "sleep", "1000")
    output = becomes(based, "healthy")["Log"][0]["Output"]
    assert (len(output), output[-5:]) == (4099, "y\n...")
    code = """
import cowl, os, sys
engine = cowl.Engine(os.environ["COWL_ROOT"])
engine.start("busybox", ["sleep", "1000"], name="other", detach=True, health_cmd=["/no/such"],
    health_interval=0.1, health_retries=1)
"""
    assert based.python(code).returncode == 0
    found = becomes(based, "unhealthy", "other")["Log"][0]
    assert found["ExitCode"] == -1
    assert "/no/such" in found["Output"]


@pytest.fixture
def checked(based: Caller, busybox_tar: Path) -> Caller:
    """With an image that has a health check of its own."""
    change = 'HEALTHCHECK --interval=100ms CMD ["test", "-e", "/etc/passwd"]'
    based.cowl("import", "-c", change, str(busybox_tar), "checked")
    return based


def test_the_check_of_an_image(checked: Caller) -> None:
    checked.cowl("run", "-d", "--name", "box", "checked", "sleep", "1000")
    becomes(checked, "healthy")
    attrs = json.loads(checked.text("inspect", "box"))[0]
    assert attrs["Config"]["Healthcheck"] == {"Test": ["CMD", "test", "-e", "/etc/passwd"], "Interval": 10**8}
    checked.cowl("run", "-d", "--name", "none", "--no-healthcheck", "checked", "sleep", "1000")
    assert "Health" not in json.loads(checked.text("inspect", "none"))[0]["State"]
    assert checked.text("ps", "-f", "health=none", "--format", "{{.Names}}") == "none"
    checked.cowl("restart", "-t", "0", "box")
    assert health(checked)["Status"] in ("starting", "healthy")
    becomes(checked, "healthy")


def test_a_container_in_the_foreground_is_looked_at_too(checked: Caller) -> None:
    """What looks at it ends with it."""
    code = """
import cowl, os, time
def watchers():
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and is_watcher(pid)]
def is_watcher(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read()
    except OSError:
        return False
    return b"health_watch" in words and box.id.encode() in words
def until(ready):
    deadline = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)
with cowl.Engine(os.environ["COWL_ROOT"]) as engine:
    with engine.start("checked", ["sleep", "1000"]) as box:
        until(lambda: box.health.status == "healthy")
        assert len(watchers()) == 1
    until(lambda: not watchers())
"""
    done = checked.python(code)
    assert done.returncode == 0, done.stderr.decode()


def test_nothing_is_left_of_a_probe_when_its_monitor_is_killed(based: Caller) -> None:
    words = ("--health-cmd", "sleep 54321", *OFTEN, "--health-timeout", "1h")
    based.cowl("run", "-d", "--name", "box", *words, "busybox", "sleep", "1000")
    code = """
import cowl, os
box = cowl.Engine(os.environ["COWL_ROOT"]).container("box")
print(box._service.store.containers.monitor_of(box.id).pid)
"""
    monitor = int(based.python(code).stdout)
    deadline = time.monotonic() + WAIT_SECONDS
    while not any(b"54321" in command(pid) for pid in descendants(monitor)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    family = descendants(monitor)
    os.kill(monitor, signal.SIGKILL)
    assert gone(family)
    assert based.text("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)")
    based.cowl("start", "box")
    assert health(based)["Status"] == "starting"


def command(pid: int) -> bytes:
    """The command line of a process; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
