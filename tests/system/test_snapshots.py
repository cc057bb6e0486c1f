"""Copy-on-write as a tool: snapshots, forks and restores of containers that ran."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller

BASE = "busybox"
PRELUDE = """
import json, os, sys, time
import cowl

engine = cowl.Engine()

def made(name, script, **options):
    "A container that ran a script to its end."
    with engine.start("busybox", ["sh", "-c", script], remove=False, name=name, **options) as box:
        assert box.wait() == 0
    return engine.container(name)

def started(box, script):
    "What a shell in a started container says."
    with box.start():
        return box.exec(["sh", "-c", script]).stdout.decode()

def changed(box):
    return [f"{change.kind} {change.path}" for change in box.diff()]
"""


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    return caller


def told(caller: Caller, code: str) -> list[Any]:
    """The value that Python code with the prelude's names prints as JSON."""
    done = caller.python(PRELUDE + code)
    assert done.returncode == 0, done.stderr.decode()
    value: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return value


def test_forks_begin_as_the_container_was_and_go_apart(based: Caller) -> None:
    found = told(
        based,
        """
with engine:
    script = "if [ -e /state ]; then sleep 60; fi; echo one > /state; rm /etc/group; chmod 711 /root"
    box = made("box", script)
    forks = box.fork(3, name="fork")
    said = started(forks[0], "echo two >> /state; cat /state; ls /etc/group; stat -c %a /root")
    other = started(forks[1], "cat /state")
    print(json.dumps([
        [fork.name for fork in forks], said, other, changed(forks[0]), changed(box), forks[2].state,
        box.size()[0], engine.check() == (), len(engine.snapshots()),
    ]))
""",
    )
    names, said, other, diff, box, state, written, sound, snapshots = found
    assert names == ["fork-1", "fork-2", "fork-3"]
    assert said.split() == ["one", "two", "711"]
    assert other == "one\n"
    assert diff == ["C /etc", "D /etc/group", "C /root", "A /state"]
    assert box == diff
    assert (state, written, sound, snapshots) == ("created", 0, True, 1)


def test_a_restored_container_runs_again_from_there(based: Caller) -> None:
    found = told(
        based,
        """
with engine:
    box = made("box", "cat /state || echo -n a > /state; echo -n b >> /state")
    box.snapshot("one")
    with box.start():
        box.wait()
    grown = engine.store.view(box.record.layer_keys, box.record.upper).read_file("/state").decode()
    box.restore("one")
    back = engine.store.view(box.record.layer_keys, box.record.upper).read_file("/state").decode()
    with box.start():
        box.wait()
    again = engine.store.view(box.record.layer_keys, box.record.upper).read_file("/state").decode()
    print(json.dumps([grown, back, again, changed(box), engine.check() == ()]))
""",
    )
    assert found == ["abb", "ab", "abb", ["A /state"], True]


def test_forks_of_forks_and_what_a_user_wrote(based: Caller) -> None:
    found = told(
        based,
        """
with engine:
    box = made("box", "if [ -e /tmp/mine ]; then sleep 60; fi; echo x > /tmp/mine", user="1000:1000")
    (fork,) = box.fork()
    first = started(fork, "cat /tmp/mine; echo y >> /tmp/mine; rm -r /root; mkdir /root; echo z > /tmp/new")
    (second,) = fork.fork()
    said = started(second, "cat /tmp/mine /tmp/new; rm /tmp/new")
    print(json.dumps([first, said, changed(fork), changed(second), engine.check() == ()]))
""",
    )
    first, said, fork, second, sound = found
    assert first == "x\n"
    assert sound
    assert said.split() == ["x", "y", "z"]
    assert "A /tmp/new" in fork
    assert "A /tmp/new" not in second
