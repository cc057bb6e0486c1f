"""--pid host: among the host's processes, and yet only its own are ended, listed and held still."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.caller import Caller

IMAGE = "busybox"
BARE = ("--pid", "host", "--userns", "host")


@pytest.fixture
def stranger() -> subprocess.Popen[bytes]:
    """A process of the host's that must not be touched."""
    return subprocess.Popen(["sleep", "1000"])


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_only_its_own_are_its_own(
    root_caller: Caller, busybox_tar: Path, stranger: subprocess.Popen[bytes]
) -> None:
    caller = root_caller
    caller.cowl("import", str(busybox_tar), IMAGE)
    try:
        script = (
            f"echo $$; cat /proc/{stranger.pid}/comm; head -c 1 /proc/kcore | wc -c; ls /proc/acpi | wc -l"
        )
        done = caller.cowl("run", "--rm", *BARE, IMAGE, "sh", "-c", script)
        pid, name, *masked = done.stdout.decode().split()
        assert int(pid) > 1 and name == "sleep" and masked == ["0", "0"]
        assert b"gives up" in done.stderr and b"the host's processes are in its sight" in done.stderr
        caller.cowl("run", "-d", "--name", "box", *BARE, IMAGE, "sh", "-c", "sleep 999 & echo $! >/pid; wait")
        caller.cowl("exec", "box", "sh", "-c", "until [ -s /pid ]; do :; done")
        child = int(caller.text("exec", "box", "cat", "/pid"))
        listed = caller.text("top", "box")
        assert "sleep 999" in listed and "sleep 1000" not in listed and f" {child} " in listed
        caller.cowl("commit", "box", "kept")
        assert state(stranger.pid) == "S" and state(child) == "S"
        caller.cowl("kill", "box")
        caller.cowl("wait", "box")
        assert not os.path.exists(f"/proc/{child}") or state(child) == "Z"
        assert stranger.poll() is None and state(stranger.pid) == "S"
        caller.cowl("rm", "-f", "box")
    finally:
        stranger.kill()
        stranger.wait()


def test_in_a_user_namespace_it_is_refused(based: Caller) -> None:
    done = based.cowl("run", "--rm", "--pid", "host", IMAGE, "true", status=125)
    assert b"cannot share the host PID namespace when user namespaces are enabled" in done.stderr
