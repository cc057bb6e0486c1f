"""Containers in the background: what starts them, what survives, what is seen of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.caller import Caller

BASE = "busybox"


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Waits for something that comes about by itself."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def state(caller: Caller, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(caller.text("inspect", name))[0]["State"]
    return found


def monitors(caller: Caller) -> list[int]:
    """The monitors of this caller's store: they have its database open."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if b"cowl.container." not in Path(f"/proc/{pid}/cmdline").read_bytes():
                continue
            if any(str(caller.store) in target for target in _open_files(pid)):
                found.append(int(pid))
        except OSError:
            continue
    return found


def _open_files(pid: str) -> list[str]:
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def test_run_detached_stop_and_start_again(based: Caller) -> None:
    script = "trap 'exit 7' TERM; echo ready; sleep 1000 & wait"
    name = based.text("run", "-d", "--name", "box", BASE, "sh", "-c", script)
    assert len(name) == 64
    assert based.text("ps", "--format", "{{.Names}} {{.State}} {{.Status}}").startswith("box running Up ")
    assert based.text("exec", "box", "cat", "/proc/1/comm") == "sh"
    until(lambda: based.text("logs", "box") == "ready")
    assert based.text("stop", "box") == "box"
    assert state(based, "box")["ExitCode"] == 7
    assert based.text("ps", "-q") == ""
    assert based.text("start", "box") == "box"
    assert based.text("start", "box") == "box", "it runs already"
    assert state(based, "box")["Running"] is True
    assert based.text("kill", "-s", "KILL", "box") == "box"
    assert based.text("wait", "box") == "137"
    based.cowl("kill", "box", status=1)
    based.cowl("rm", "box")
    until(lambda: not monitors(based))


def test_create_start_and_cidfile(based: Caller) -> None:
    name = based.text("create", "--cidfile", "id", "--name", "box", BASE, "sh", "-c", "exit 3")
    assert (based.home / "id").read_text() == name
    assert state(based, "box")["Status"] == "created"
    based.cowl("start", "box")
    assert based.text("wait", "box", "box") == "3\n3"
    based.cowl("create", "--cidfile", "id", BASE, status=1)
    based.cowl("start", "-a", "box", status=3)
    assert based.cowl("start", "nothing", "box", status=1).stdout == b"box\n"


@pytest.mark.parametrize(("command", "status"), [("/no/such", 127), ("/etc/passwd", 126)])
def test_a_start_that_fails_is_told_by_run_d(based: Caller, command: str, status: int) -> None:
    failed = based.cowl("run", "-d", "--name", "box", "--restart", "always", BASE, command, status=status)
    assert command.encode() in failed.stderr
    found = state(based, "box")
    assert (found["Status"], found["ExitCode"]) == ("created", status)
    assert command in str(found["Error"])
    based.cowl("run", "-d", "--rm", "--name", "gone", BASE, command, status=status)
    assert based.text("ps", "-aq", "--filter", "name=gone") == ""


def test_removed_at_its_end_and_by_force(based: Caller) -> None:
    based.cowl("run", "-d", "--rm", "--name", "short", BASE, "sh", "-c", "sleep 2; exit 5")
    assert based.text("wait", "short") == "5"
    until(lambda: based.text("ps", "-aq") == "")
    based.cowl("run", "-d", "--restart", "always", "--name", "long", BASE, "sleep", "1000")
    refused = based.cowl("rm", "long", status=1)
    assert b"container is running" in refused.stderr
    assert based.text("rm", "-f", "long") == "long"
    until(lambda: not monitors(based))
    assert os.listdir(based.store / "containers") == []


def test_the_library_starts_detached_ones_from_a_threaded_process(based: Caller) -> None:
    code = """
import cowl, os, threading
boxes = []
def work(n):
    boxes.append(engine.start("busybox", ["sh", "-c", f"exit {n}"], detach=True, name=f"b{n}"))
with cowl.Engine(os.environ["COWL_ROOT"]) as engine:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    [t.start() for t in threads]; [t.join() for t in threads]
    assert sorted(box.wait() for box in boxes) == [0, 1, 2], boxes
    with engine.start("busybox", ["sleep", "1000"], detach=True, name="stays") as box:
        assert box.state == "running"
    try:
        engine.start("busybox", ["true"], restart="always", remove=False)
    except cowl.Invalid as error:
        assert "detach" in error.hint
    else:
        raise AssertionError("a restart policy without a monitor")
with cowl.Engine(os.environ["COWL_ROOT"]) as engine:
    box = engine.container("stays")
    assert box.state == "running"
    try:
        box.start(detach=True)
    except cowl.Conflict as error:
        assert "is running" in error.message
    else:
        raise AssertionError("started twice")
    assert box.refresh().record.monitored and box.state == "running"
    first = box.started_at
    box.restart(timeout=0)
    assert box.state == "running" and box.started_at > first
    assert box.stop(timeout=0) == 137 and box.stop() == 137
"""
    done = based.python(code)
    assert done.returncode == 0, done.stderr.decode()


def test_nothing_of_the_caller_is_in_monitor_or_payload(based: Caller) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    argv = based.argv("run", "-d", "--name", "box", "-e", "OWN=1", BASE, "sleep", "1000")
    subprocess.run(
        argv,
        env={**based.env, "SECRET": "of-the-caller"},
        cwd=based.home,
        stdout=subprocess.PIPE,
        pass_fds=[writer],
        check=True,
    )
    os.close(writer)
    assert os.read(reader, 1) == b"", "somebody still holds the caller's pipe"
    os.close(reader)
    until(lambda: monitors(based))
    pids = [*monitors(based), int(str(state(based, "box")["Pid"]))]
    for pid in pids:
        assert b"of-the-caller" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert b"OWN=1" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert based.text("exec", "box", "ls", "/proc/1/fd").split() == ["0", "1", "2"]
    assert os.getsid(pids[0]) not in (os.getsid(0), 0)


def test_a_container_with_the_hosts_root_can_not_reach_our_interpreter(
    root_caller: Caller, busybox_tar: Path
) -> None:
    root_caller.cowl("import", str(busybox_tar), BASE)
    root_caller.cowl("run", "-d", "--privileged", "--name", "box", BASE, "sleep", "1000")
    try:
        until(
            lambda: any(
                os.readlink(f"/proc/{pid}/exe").startswith("/memfd:") for pid in monitors(root_caller)
            )
        )
        assert len(monitors(root_caller)) == 1
    finally:
        root_caller.cowl("rm", "-f", "box")


def test_a_killed_monitor_takes_the_container_with_it(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "box", "--restart", "always", BASE, "sleep", "1000")
    pid = int(str(state(based, "box")["Pid"]))
    for monitor in monitors(based):
        os.kill(monitor, signal.SIGKILL)
    row = based.text("ps", "-a", "--format", "{{.Names}} {{.Status}}")
    assert row.startswith("box Exited (137) ")
    until(lambda: not Path(f"/proc/{pid}").exists())
    based.cowl("start", "box")
    based.cowl("rm", "-f", "box")
