"""`cowl events`: whoever changes something, who listens hears of it."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
from pathlib import Path

from tests.caller import Caller

WAIT_SECONDS = 30


def actions(caller: Caller, *filters: str) -> list[str]:
    """The actions of all that was kept, in order."""
    words = [word for each in filters for word in ("--filter", each)]
    found = caller.text("events", "--since", "1h", "--until", "0s", "--format", "{{.Action}}", *words)
    return found.splitlines()


def test_a_life_is_heard_as_it_happens(based: Caller) -> None:
    """A second process listens; what it prints ends when it is told so."""
    listener = subprocess.Popen(
        based.argv("events", "--since", "1h", "-f", "type=container", "--format", "{{.Action}} {{.ID}}"),
        env=based.env,
        cwd=based.home,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    try:
        box = based.text("run", "-d", "--name", "box", "busybox", "sleep", "1000")
        assert lines(listener, 2) == [f"create {box}", f"start {box}"]
        based.cowl("kill", "box")
        based.cowl("rm", "-f", "box")
        assert lines(listener, 3) == [f"kill {box}", f"die {box}", f"destroy {box}"]
    finally:
        listener.terminate()
        listener.communicate()


def lines(process: subprocess.Popen[bytes], count: int) -> list[str]:
    """The next lines that a process prints; fewer when it prints nothing for long."""
    assert process.stdout
    found = b""
    while found.count(b"\n") < count and select.select([process.stdout], [], [], WAIT_SECONDS)[0]:
        found += os.read(process.stdout.fileno(), 1)
    return found.decode().splitlines()


def test_verbs_in_dockers_order(based: Caller) -> None:
    based.cowl("run", "--rm", "-v", "/data", "busybox", "sh", "-c", "exit 3", status=3)
    assert actions(based, "type=container") == ["create", "attach", "start", "die", "destroy"]
    assert actions(based, "type=volume") == ["create", "mount", "unmount", "destroy"]
    based.cowl("run", "-d", "--name", "box", "busybox", "sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait")
    based.cowl("exec", "box", "sh", "-c", "exit 4", status=4)
    based.cowl("restart", "box")
    based.cowl("rename", "box", "other")
    based.cowl("stop", "other")
    run = ["create", "start", "exec_create: sh -c exit 4", "exec_start: sh -c exit 4", "exec_die"]
    assert actions(based, "container=box") == [*run, "kill", "die", "stop", "start", "restart"]
    assert actions(based, "container=other") == ["rename", "kill", "die", "stop"]
    assert actions(based, "event=exec_start") == ["exec_start: sh -c exit 4"]
    based.cowl("tag", "busybox", "other")
    based.cowl("rmi", "other")
    assert actions(based, "type=image") == ["import", "tag", "tag", "untag"]


def test_what_copies_and_looks(based: Caller) -> None:
    """Images that go out and come back, and containers that are looked into."""
    based.cowl("create", "--name", "box", "busybox", "sh")
    based.cowl("commit", "-m", "as it is", "box", "made")
    based.cowl("export", "-o", "box.tar", "box")
    assert actions(based, "container=box") == ["create", "commit", "export"]
    based.cowl("save", "-o", "made.tar", "made")
    based.cowl("rmi", "-f", "made")
    based.cowl("load", "-i", "made.tar")
    assert actions(based, "type=image")[2:] == ["tag", "save", "untag", "delete", "load", "tag"]


def test_text_and_json(based: Caller) -> None:
    based.cowl("run", "-l", "stage=test", "--name", "box", "busybox", "sh", "-c", "exit 3", status=3)
    words = ("events", "--since", "1h", "--until", "0s", "-f", "event=die")
    line = based.cowl(*words, env={"TZ": "UTC"}).stdout.decode()
    known = r"execDuration=\d+, exitCode=3, image=busybox, name=box, stage=test"
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
    assert re.fullmatch(rf"{moment} container die [0-9a-f]{{64}} \({known}\)\n", line)
    event = json.loads(based.text(*words, "--format", "json"))
    assert (event["Type"], event["Action"], event["from"]) == ("container", "die", "busybox")
    assert event["Actor"]["Attributes"]["exitCode"] == "3"
    assert based.text(*words, "-f", "container=nobody") == ""
    assert b"invalid filter 'colour'" in based.cowl("events", "-f", "colour=red", status=1).stderr
    based.cowl("events", "--format", "{{.Nothing", status=64)


def test_a_death_that_nobody_saw_is_told_by_the_next_command(based: Caller) -> None:
    """The starter is killed, and with it the container."""
    code = """
import cowl, os, signal
engine = cowl.Engine(os.environ["COWL_ROOT"])
engine.start("busybox", ["sleep", "1000"], remove=False)
os.kill(os.getpid(), signal.SIGKILL)
"""
    based.python(code)
    based.cowl("ps")
    assert actions(based, "type=container") == ["create", "attach", "start", "die"]


def test_networks(root_caller: Caller, busybox_tar: Path) -> None:
    """Who is on one, and when; the predefined modes tell nothing."""
    root_caller.cowl("import", str(busybox_tar), "busybox")
    identity = root_caller.text(
        "network", "create", "--subnet", "10.213.77.0/24", "--label", "stage=test", "own"
    )
    root_caller.cowl("run", "--rm", "--network", "own", "busybox", "true")
    root_caller.cowl("run", "--rm", "--network", "none", "busybox", "true")
    root_caller.cowl("network", "rm", "own")
    assert actions(root_caller, "type=network") == ["create", "connect", "disconnect", "destroy"]
    assert actions(root_caller, "network=own", "label=stage=test") == ["create", "destroy"]
    text = root_caller.text("events", "--since", "1h", "--until", "0s", "-f", "event=connect")
    assert f" network connect {identity} (container=" in text
    assert text.endswith(", name=own, type=bridge)")
