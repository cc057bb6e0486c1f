"""snapshot, fork, restore, start -a and their refusals, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.caller import Caller

BASE = "busybox"


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    script = "echo more >> /state; cat /state; read word && echo got $word; exit 3"
    caller.cowl("run", "-i", "--name", "box", BASE, "sh", "-c", script, status=3)
    return caller


def refused(caller: Caller, *words: str) -> str:
    return caller.cowl(*words, status=1).stderr.decode()


def test_a_session(based: Caller) -> None:
    taken = based.text("snapshot", "create", "--name", "one", "-m", "first", "box")
    row = json.loads(based.text("snapshot", "ls", "--no-trunc", "--format", "json"))
    assert (row["ID"], row["Name"], row["Container"], row["Image"], row["Size"], row["Message"]) == (
        *(taken, "one", "box", BASE, "5B", "first"),
    )
    assert based.text("snapshot", "ls").splitlines()[0].split("  ")[0] == "SNAPSHOT ID"
    forks = based.text("fork", "-n", "2", "--name", "twin", "box").split()
    names = based.text("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines()
    assert names == ["twin-2 created", "twin-1 created", "box exited"]
    (alone,) = based.text("fork", "one").split()
    done = based.cowl("start", "-a", "-i", forks[0], stdin=b"it\n", status=3)
    assert done.stdout == b"more\nmore\ngot it\n"
    assert based.cowl("start", "-a", forks[0], stdin=b"it\n", status=3).stdout == b"more\nmore\nmore\n"
    assert based.text("restore", "twin-1", "one") == "twin-1"
    assert based.cowl("start", "-a", "twin-1", status=3).stdout == b"more\nmore\n"
    assert based.text("inspect", "-f", "{{.Snapshot}}", alone) == taken
    assert based.text("snapshot", "inspect", "-f", "{{.Name}} {{.Message}}", taken[:12]) == "one first"
    assert based.text("system", "check") == "0 problems"


def test_lists_are_filtered(based: Caller) -> None:
    one = based.text("snapshot", "create", "--name", "one", "box")
    two = based.text("snapshot", "create", "box")
    for words, found in (
        ((), [two, one]),
        (("-f", "dangling=true"), [two]),
        (("-f", "name=^o"), [one]),
        (("-f", "container=box", "-f", "image=busybox"), [two, one]),
        (("-f", "container=other"), []),
        (("-f", f"id={one[:12]}"), [one]),
    ):
        assert based.text("snapshot", "ls", "-q", "--no-trunc", *words).split() == found
    assert "invalid filter" in refused(based, "snapshot", "ls", "-f", "x=y")


def test_refusals_say_what_and_why(based: Caller) -> None:
    based.cowl("snapshot", "create", "--name", "one", "box")
    based.cowl("fork", "--name", "twin", "one")
    for words, part in (
        (("snapshot", "create", "--name", "one", "box"), "'one' is already in use"),
        (("snapshot", "create", "--name", "0123456789ab", "box"), "looks like an ID"),
        (("snapshot", "create", "--name", "a/b", "box"), "invalid snapshot name"),
        (("snapshot", "create", "nobody"), "No such container: nobody"),
        (("snapshot", "rm", "one"), "a container stands on it: twin"),
        (("snapshot", "rm", "two"), "No such snapshot: two"),
        (("snapshot", "inspect", "two"), "No such snapshot: two"),
        (("restore", "box", "two"), "No such snapshot: two"),
        (("promote", "two"), "No such snapshot: two"),
        (("fork", "nobody"), "No such container or snapshot: nobody"),
        (("fork", "-n", "0", "box"), "can't make 0 forks"),
        (("fork", "--name", "box", "one"), "already in use"),
        (("fork", "--name", "box", "box"), "already in use"),
        (("start", "-a", "box", "twin"), "you cannot start and attach multiple containers at once"),
        (("start", "-a", "nobody"), "No such container: nobody"),
    ):
        assert part in refused(based, *words), words
    assert based.text("ps", "-aq", "--filter", "name=twin").count("\n") == 0
    based.cowl("snapshot", "rm", "-f", "one")
    assert based.cowl("start", "-a", "twin", status=3).stdout == b"more\nmore\n"
    assert based.text("snapshot", "ls", "-q") == ""


def test_running_containers_are_not_restored_or_started(based: Caller) -> None:
    code = """
import cowl, os, subprocess, sys
def cowl_says(*words):
    done = subprocess.run([sys.executable, "-c", "from cowl.cli.main import main; main()", *words],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stderr
with cowl.Engine() as engine, engine.start("busybox", ["sleep", "60"], name="busy", remove=False) as box:
    box.snapshot("now")
    print(cowl_says("restore", "busy", "now"), cowl_says("start", "-a", "busy"), sep="\\n---\\n")
"""
    done = based.python(code)
    assert done.returncode == 0, done.stderr.decode()
    restored, started = done.stdout.decode().split("---")
    assert "container busy is running" in restored
    assert "cannot attach to busy: another command runs it" in started


def test_created_containers_are_started_later(based: Caller) -> None:
    made = based.text(
        "create", "-i", "--name", "later", "-v", "kept:/data", BASE, "sh", "-c", "cat > /data/x"
    )
    assert based.text(
        "ps", "-a", "--no-trunc", "--filter", "name=later", "--format", "{{.ID}} {{.State}}"
    ) == (f"{made} created")
    based.cowl("start", "-a", "-i", "later", stdin=b"words")
    assert based.text("run", "--rm", "-v", "kept:/data", BASE, "cat", "/data/x") == "words"
    assert "already in use" in refused(based, "create", "--name", "later", BASE, "true")
