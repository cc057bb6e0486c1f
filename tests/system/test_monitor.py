"""What a detached container costs, and what is left when its command or its monitor is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.system.test_detached import BASE, monitors, state, until

LIMIT_KIB = 10 << 10  # of proportional memory, for all that looks after one container


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Iterator[Caller]:
    caller.cowl("import", str(busybox_tar), BASE)
    yield caller
    left = caller.text("ps", "-aq").split()
    if left:
        caller.cowl("rm", "-f", *left, status=None)


def proportional_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError(f"no Pss of {pid}")


def family(caller: Caller) -> list[int]:
    """The monitors with the processes that help them; not the containers."""
    helpers = []
    for monitor in monitors(caller):
        for child in Path(f"/proc/{monitor}/task/{monitor}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().startswith("cowl-"):
                helpers.append(int(child))
    return sorted({*monitors(caller), *helpers})


def settled(caller: Caller, count: int) -> bool:
    """Whether so many monitors are the small program by now."""
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in monitors(caller)]
    return sum(b"cowl.container.attendance" in line for line in lines) >= count


def test_less_than_ten_megabytes_each(based: Caller) -> None:
    """As root one alone already; an ordinary user's, whose guard answers calls too, has 9 to 11 MB alone,
    by who else runs the same interpreter."""
    count = 1 if based.name == "root" else 5
    for _ in range(count):
        based.cowl("run", "-d", BASE, "sleep", "1000")
    until(lambda: settled(based, count) and len(family(based)) >= 2 * count)
    time.sleep(0.5)
    total = sum(map(proportional_kib, family(based)))
    assert total / count < LIMIT_KIB, f"{total / count:.0f} KiB each"


def test_a_payload_that_changes_its_user_dies_with_the_monitor_too(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "box", BASE, "su", "node", "-c", "sleep 1000")
    pid = int(str(state(based, "box")["Pid"]))
    until(lambda: settled(based, 1) and len(family(based)) >= 2)
    for monitor in monitors(based):
        os.kill(monitor, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists())
    assert based.text("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)")


def test_killed_at_any_moment_the_next_command_knows(based: Caller) -> None:
    """The command, then the monitor, somewhere between their first and last instruction."""
    rng = random.Random(based.name)
    for number in range(6):
        argv = based.argv("run", "-d", "--name", f"box{number}", "--restart", "always", BASE, "sleep", "1000")
        process = subprocess.Popen(argv, env=based.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.02, 0.5))
        process.kill() if number % 2 else None
        if number % 2 == 0:
            for monitor in monitors(based):
                os.kill(monitor, signal.SIGKILL)
        process.wait(timeout=60)
        time.sleep(rng.uniform(0, 0.3))
        check_rows(based)
    running = based.text("ps", "-q").split()
    based.cowl("kill", *running, status=None if not running else 0)
    until(lambda: not monitors(based))
    assert not [row for row in rows(based) if row[1] in ("running", "restarting")]


def rows(caller: Caller) -> list[list[str]]:
    lines = caller.text("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}}").splitlines()
    return [line.split() for line in lines]


def check_rows(caller: Caller) -> None:
    """What ps shows as running has a process, and what has one is shown."""
    for identity, shown in rows(caller):
        if shown == "running":
            pid = int(str(state(caller, identity)["Pid"]) or 0)
            assert pid == 0 or Path(f"/proc/{pid}").exists(), (identity, shown)
        else:
            assert shown in ("created", "exited", "restarting"), (identity, shown)


def test_the_end_of_the_terminal_is_no_end(based: Caller) -> None:
    """SIGHUP to everything that the command's session holds, as when its terminal goes."""
    argv = based.argv("run", "-d", "--name", "box", BASE, "sleep", "1000")
    process = subprocess.Popen(
        ["setsid", "--wait", *argv], env=based.env, stdout=subprocess.PIPE, start_new_session=True
    )
    process.communicate(timeout=60)
    for monitor in family(based):
        os.kill(monitor, signal.SIGHUP) if monitor in monitors(based) else None
    time.sleep(0.3)
    assert state(based, "box")["Running"] is True


def test_sigterm_to_the_monitor_is_a_stop(based: Caller) -> None:
    script = "trap 'exit 21' TERM; echo ready; while :; do sleep 0.05; done"
    based.cowl("run", "-d", "--name", "box", "--restart", "always", BASE, "sh", "-c", script)
    until(lambda: based.text("logs", "box") == "ready" and settled(based, 1))
    for monitor in monitors(based):
        os.kill(monitor, signal.SIGTERM)
    until(lambda: state(based, "box")["Status"] == "exited")
    assert state(based, "box")["ExitCode"] == 21


def test_a_recycled_pid_is_no_container(based: Caller) -> None:
    """The row names a pid that is somebody else's by now: neither shown, nor signalled."""
    based.cowl("run", "-d", "--name", "box", BASE, "sleep", "1000")
    for monitor in monitors(based):
        os.kill(monitor, signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        code = """
import os, sqlite3, sys
with sqlite3.connect(os.environ["COWL_ROOT"] + "/cowl.db") as database:
    wrong = "UPDATE containers SET pid = ?, owner = NULL, state = 'running'"
    changed = database.execute(wrong, (sys.argv[1],))
    assert changed.rowcount == 1
"""
        done = based.python(code, str(stranger.pid))
        assert done.returncode == 0, done.stderr.decode()
        based.cowl("kill", "box", status=1)
        based.cowl("stop", "-t", "0", "box", status=None)
        based.cowl("rm", "-f", "box")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
