"""Restart policies, and what a user's stop means for them."""

from __future__ import annotations

import json

import pytest
from tests.caller import Caller
from tests.system.test_detached import monitors, until

BASE = "busybox"


def seen(caller: Caller, name: str) -> tuple[str, int, int]:
    """(state, exit code, restarts)."""
    found = json.loads(caller.text("inspect", name))[0]
    return found["State"]["Status"], found["State"]["ExitCode"], found["RestartCount"]


def test_on_failure_gives_up_after_its_retries(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "box", "--restart", "on-failure:2", BASE, "sh", "-c", "exit 9")
    until(lambda: seen(based, "box") == ("exited", 9, 2))
    based.cowl("start", "box")
    assert seen(based, "box")[2] < 2, "a user's start counts anew"
    until(lambda: seen(based, "box") == ("exited", 9, 2))
    based.cowl("run", "-d", "--name", "fine", "--restart", "on-failure", BASE, "true")
    until(lambda: seen(based, "fine") == ("exited", 0, 0))
    until(lambda: not monitors(based))


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_a_stop_is_final_also_between_two_runs(based: Caller, policy: str) -> None:
    based.cowl("run", "-d", "--name", "box", "--restart", policy, BASE, "sh", "-c", "exit 5")
    until(lambda: seen(based, "box")[2] >= 3)
    until(lambda: seen(based, "box")[0] == "restarting")
    row = based.text("ps", "--format", "{{.Names}} {{.State}} {{.Status}}")
    assert row.startswith(("box restarting Restarting (5) ", "box running Up"))
    refused = based.cowl("rm", "box", status=1)
    assert b"stop the container before removing" in refused.stderr
    based.cowl("stop", "box")
    state, code, count = seen(based, "box")
    assert (state, code) == ("exited", 5)
    until(lambda: not monitors(based))
    assert seen(based, "box")[2] == count


def test_kill_is_final_and_other_signals_are_not(based: Caller) -> None:
    script = "trap 'exit 3' HUP; echo ready; while :; do sleep 0.05; done"
    based.cowl("run", "-d", "--name", "box", "--restart", "always", BASE, "sh", "-c", script)
    until(lambda: based.text("logs", "box") == "ready")
    based.cowl("kill", "-s", "HUP", "box")
    until(lambda: seen(based, "box")[0::2] == ("running", 1))
    based.cowl("kill", "box")
    assert based.text("wait", "box") == "137"
    assert seen(based, "box") == ("exited", 137, 1)
    based.cowl("restart", "-t", "0", "box")
    assert seen(based, "box") == ("running", 0, 0)
    based.cowl("rm", "-f", "box")
    until(lambda: not monitors(based))


def test_options_that_contradict(based: Caller) -> None:
    done = based.cowl("run", "-d", "--rm", "--restart", "always", BASE, "true", status=125)
    assert b"cannot specify both --restart and --rm" in done.stderr
    done = based.cowl("run", "-d", "--restart", "often", BASE, "true", status=125)
    assert b"use one of 'no', 'always'" in done.stderr
    based.cowl("run", "-d", "--stop-signal", "NONSENSE", BASE, "true", status=125)
    assert based.text("ps", "-aq") == ""


def test_stop_signal_and_stop_timeout(based: Caller) -> None:
    script = "trap 'exit 11' USR1; echo ready; while :; do sleep 0.05; done"
    options = ("--stop-signal", "USR1", "--stop-timeout", "60")
    based.cowl("run", "-d", "--name", "box", *options, BASE, "sh", "-c", script)
    until(lambda: based.text("logs", "box") == "ready")
    based.cowl("stop", "box")
    assert seen(based, "box")[:2] == ("exited", 11)
    based.cowl("run", "-d", "--name", "deaf", "--stop-timeout", "0", BASE, "sleep", "1000")
    based.cowl("stop", "deaf")
    assert seen(based, "deaf")[:2] == ("exited", 137)
    based.cowl("start", "deaf")
    based.cowl("stop", "-s", "KILL", "-t", "60", "deaf")
    assert seen(based, "deaf")[:2] == ("exited", 137)
    assert based.cowl("stop", "deaf", "nothing", "box", status=1).stdout == b"deaf\nbox\n"
    assert based.cowl("wait", "box", "nothing", "deaf", status=1).stdout == b"11\n137\n"
