"""A process is told from its pid's later bearer."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from cowl.linux.process import NoSuchProcess, ProcessId


def test_current() -> None:
    current = ProcessId.current()
    assert current.pid == os.getpid() and current.alive()
    assert ProcessId.of(os.getpid()) == current


def test_a_zombie_is_not_alive_but_has_an_identity() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    identity = ProcessId.of(child.pid)
    assert not identity.alive()
    child.wait()
    assert not identity.alive()
    with pytest.raises(NoSuchProcess):
        ProcessId.of(child.pid)
    with pytest.raises(NoSuchProcess):
        identity.send_signal(signal.SIGKILL)


def test_signals_reach_it() -> None:
    child = subprocess.Popen(["sleep", "60"])
    ProcessId.of(child.pid).send_signal(signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM


@pytest.mark.parametrize("change", [{"start_time": 1}, {"boot_id": "another"}])
def test_a_recycled_pid_survives(change: dict[str, object]) -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        stranger = ProcessId.of(child.pid).replace(**change)
        assert not stranger.alive()
        with pytest.raises(NoSuchProcess):
            stranger.send_signal(signal.SIGKILL)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_command_names_with_parentheses(tmp_path: os.PathLike[str]) -> None:
    program = os.path.join(tmp_path, "a) b (c")
    os.symlink("/bin/sleep", program)
    child = subprocess.Popen([program, "60"])
    try:
        assert ProcessId.of(child.pid).alive()
    finally:
        child.kill()
        child.wait()
