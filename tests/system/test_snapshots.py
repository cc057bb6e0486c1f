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


def test_a_running_container_is_held_still_and_goes_on(based: Caller) -> None:
    """What is renamed in turn is never seen out of turn, and the container does not notice."""
    found = told(
        based,
        """
script = '''[ -e /first ] && exec sleep 60
n=0
while :; do n=$((n+1)); echo $n > /new; mv /new /first; echo $n > /new; mv /new /second; done'''
with engine, engine.start("busybox", ["sh", "-c", script]) as box:
    while "/second" not in {change.path for change in box.diff()}:
        time.sleep(0.01)
    pairs = []
    for number in range(4):
        (fork,) = box.snapshot(f"at-{number}").fork()
        view = engine.store.view(fork.record.layer_keys)
        pairs.append([int(view.read_file(path)) for path in ("/first", "/second")])
    said = started(fork, "cat /first /second").split()
    before, deadline = pairs[-1][1], time.monotonic() + 30
    while int(engine.store.view((), box.record.upper).read_file("/first") or 0) <= before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    print(json.dumps([pairs, said, box.state, box.size()[0] > 0, engine.check() == ()]))
""",
    )
    pairs, said, state, written, sound = found
    assert all(first - second in (0, 1) for first, second in pairs)
    assert [int(word) for word in said] == pairs[-1]
    assert (state, written, sound) == ("running", True, True)


FROZEN = """
from cowl.linux.freezer import Frozen
from cowl.linux.process import stat_fields

def states(box):
    "The states of a container's processes, by pid; what ends while one looks is left out."
    home = os.stat(f"/proc/{box.record.process.pid}/ns/pid").st_ino
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}/ns/pid").st_ino == home and (fields := stat_fields(int(name))):
                found[name] = fields[0].decode()
        except OSError:
            continue
    return found

def started_busy():
    "A container that makes processes all the time, with one in it that was stopped by its user."
    busy = "while :; do sh -c 'sh -c : & sleep 0.01 & wait' & wait $!; done"
    box = engine.start("busybox", ["sh", "-c", f"sleep 300 & kill -STOP $!; touch /up; {busy} & {busy}"])
    while not box.diff() or len(states(box)) < 4:
        time.sleep(0.01)
    return box
"""


def test_no_process_is_missed_and_all_go_on(based: Caller) -> None:
    found = told(
        based,
        FROZEN
        + """
with engine, started_busy() as box:
    seen = []
    for _ in range(5):
        with Frozen(box.record.process):
            first = states(box)
            time.sleep(0.02)
            seen.append(first == states(box) and set(first.values()) <= {"T", "Z"} and len(first) >= 3)
        deadline = time.monotonic() + 30
        while list(states(box).values()).count("T") != 1:
            assert time.monotonic() < deadline
    print(json.dumps(seen))
""",
    )
    assert found == [True] * 5


def test_killed_while_it_holds_a_container_still(based: Caller) -> None:
    """The container goes on all the same."""
    found = told(
        based,
        FROZEN
        + """
with engine, started_busy() as box:
    pid = os.fork()
    if pid == 0:
        with Frozen(box.record.process):
            os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    deadline = time.monotonic() + 30
    while list(states(box).values()).count("T") != 1:
        assert time.monotonic() < deadline
    print(json.dumps(["alive"]))
""",
    )
    assert found == ["alive"]
