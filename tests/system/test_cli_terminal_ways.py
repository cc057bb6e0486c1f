"""A shell on a real terminal, by run, exec and attach alike: what keys, signals and windows do."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.caller import Caller
from tests.system.test_cli_terminal import Terminal, terminal
from tests.system.test_detached import BASE, state, until

WAYS = ("run", "exec", "attach")


@contextmanager
def shell(caller: Caller, way: str) -> Iterator[Terminal]:
    """At the prompt of a shell in the container "box"."""
    words = {
        "run": ("run", "-it", "--rm", "--name", "box", BASE, "sh"),
        "exec": ("exec", "-it", "box", "sh"),
        "attach": ("attach", "box"),
    }
    if way == "exec":
        caller.cowl("run", "-d", "--name", "box", BASE, "sleep", "1000")
    elif way == "attach":
        caller.cowl("run", "-dit", "--name", "box", BASE, "sh")
    with terminal(caller, *words[way]) as tty:
        if way == "attach":  # its first prompt may have come before us
            tty.type("echo here\r")
            tty.until("\nhere\r\n")
        tty.until("# ")
        yield tty


@pytest.mark.parametrize("way", WAYS)
def test_keys_and_windows(based: Caller, way: str) -> None:
    with shell(based, way) as tty:
        tty.type("stty size\r")
        tty.until("30 100\r\n")
        tty.resize(25, 90)
        tty.type("until [ \"$(stty size)\" = '25 90' ]; do :; done; echo resized\r")
        tty.until("\nresized\r\n")
        tty.type("sh -c 'echo up; exec sleep 600'\r")
        tty.until("\nup\r\n")
        tty.type("\x03")
        tty.until("# ")
        tty.type("echo code $?; sh -c 'echo up; read x; echo went on with $x'\r")
        tty.until("code 130\r\nup\r\n")
        tty.type("\x1a")
        tty.until("Stopped +sh -c")
        tty.type("fg\r")
        tty.until("sh -c")
        tty.type("y\r")
        tty.until("\nwent on with y\r\n")
        tty.type("echo done; sh -c 'exit 6'\r")
        tty.until("\ndone\r\n.*# ")
        assert not tty.settings_restored()
        tty.type("\x04")
        assert tty.wait() == 6
        assert tty.settings_restored()


@pytest.mark.parametrize("way", WAYS)
def test_a_signal_to_the_command(based: Caller, way: str) -> None:
    """It is passed on, but for attach, which ends and leaves a container with a terminal alone."""
    with shell(based, way) as tty:
        tty.type("trap 'echo caught; exit 9' TERM; echo ready\r")
        tty.until("\nready\r\n")
        os.kill(tty.pid, signal.SIGTERM)
        if way == "attach":
            assert tty.wait() == 143
            assert state(based, "box")["Running"] is True
        else:
            tty.until("caught\r\n", typing="\r")  # the shell heeds it between two lines
            assert tty.wait() == 9
        assert tty.settings_restored()


@pytest.mark.parametrize("way", ("exec", "attach"))
def test_interrupts_without_a_terminal_inside(based: Caller, way: str) -> None:
    """Those of run are told in test_cli_terminal."""
    script = "trap 'echo got; exit 9' INT; while :; do echo up; sleep 0.05; done"
    if way == "exec":
        based.cowl("run", "-d", "--name", "box", BASE, "sleep", "1000")
        words: tuple[str, ...] = ("exec", "-i", "box", "sh", "-c", script)
    else:
        based.cowl("run", "-d", "--name", "box", BASE, "sh", "-c", script)
        words = ("attach", "box")
    with terminal(based, *words) as tty:
        tty.until("up\r\n")
        tty.type("\x03")
        tty.until("got\r\n")
        assert tty.wait() == 9


@pytest.mark.parametrize("way", ("run", "exec"))
def test_piped_input_and_its_end(based: Caller, way: str) -> None:
    if way == "exec":
        based.cowl("run", "-d", "--name", "box", BASE, "sleep", "1000")
    words = ("run", "--rm", "-i", BASE) if way == "run" else ("exec", "-i", "box")
    done = based.cowl(*words, "sh", "-c", "cat; exit 5", stdin=b"a\0b" * 100000, status=5)
    assert done.stdout == b"a\0b" * 100000


def test_left_by_keys_and_attached_to_again(based: Caller) -> None:
    """run -it, ctrl-p ctrl-q: the container runs on; Docker's exit codes are 0 for run and start, 1 else."""
    with terminal(based, "run", "-it", "--name", "box", BASE, "sh") as tty:
        tty.until("# ")
        tty.type("echo first; read x; echo p${#x}\r")
        tty.until("\nfirst\r\n")
        tty.type("\x10\x10a\r")  # held back for a moment, and passed on
        tty.until("p3\r\n")
        tty.until("# ")
        tty.type("\x10")
        tty.type("\x11")
        assert tty.wait() == 0
        assert tty.settings_restored()
    assert state(based, "box")["Running"] is True
    with terminal(based, "attach", "--detach-keys", "ctrl-x,q", "box") as tty:
        tty.until("# ")
        tty.type("echo second\r")
        tty.until("\nsecond\r\n")
        tty.type("\x18q")
        assert tty.wait() == 1
        assert "read escape sequence" in tty.seen
    config = based.home / ".docker"
    config.mkdir()
    (config / "config.json").write_text('{"detachKeys": "ctrl-a"}')
    based.give(config)
    with terminal(based, "start", "-ai", "box") as tty:
        tty.until("# ")
        tty.type("\x01")
        assert tty.wait() == 0
    based.cowl("stop", "-t", "0", "box")
    with terminal(based, "start", "-ai", "box") as tty:
        tty.until("# ")
        tty.type("exit 8\r")
        assert tty.wait() == 8
    assert state(based, "box")["ExitCode"] == 8


def test_the_end_of_our_terminal(based: Caller) -> None:
    """It is told by SIGHUP, as Docker does: who heeds it ends, what takes no notice goes on without us."""
    with terminal(
        based, "run", "-it", "--name", "deaf", BASE, "sh", "-c", "trap '' HUP; echo up; cat"
    ) as tty:
        tty.until("up\r\n")
        os.kill(tty.pid, signal.SIGHUP)
        assert tty.wait() == 129
    script = "trap 'exit 3' HUP; echo up; while :; do sleep 0.05; done"
    with terminal(based, "run", "-it", "--name", "heeds", BASE, "sh", "-c", script) as tty:
        tty.until("up\r\n")
        os.kill(tty.pid, signal.SIGHUP)
        tty.wait()
    until(lambda: state(based, "heeds")["Running"] is False)
    assert state(based, "deaf")["Running"] is True


def test_an_exec_that_is_left_runs_on(based: Caller) -> None:
    """What it prints then is read by somebody, so it is never stuck; it ends with the container."""
    based.cowl("run", "-d", "--name", "box", BASE, "sleep", "1000")
    script = "read go; seq 100000; echo done > /done; exec sleep 1001"
    with terminal(based, "exec", "-it", "--detach-keys", "ctrl-x", "box", "sh", "-c", script) as tty:
        tty.type("go\r\x18")
        assert tty.wait() == 1
        assert "read escape sequence" in tty.seen
        assert tty.settings_restored()
    until(lambda: based.text("exec", "box", "sh", "-c", "cat /done || true") == "done")
    until(lambda: "sleep 1001" in based.text("top", "box"))
    pid = next(line.split()[1] for line in based.text("top", "box").splitlines() if "sleep 1001" in line)
    based.cowl("kill", "box")
    until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_the_exit_code_of_what_is_gone_at_once(based: Caller) -> None:
    """Its monitor goes without reading what the command had to say: the size of its window, for one."""
    for code in range(3, 9):
        with terminal(based, "run", "-it", "--rm", BASE, "sh", "-c", f"exit {code}") as tty:
            assert tty.wait() == code


def test_the_window_of_an_exec(based: Caller) -> None:
    """It has its size from the first moment on."""
    based.cowl("run", "-d", "--name", "box", BASE, "sleep", "1000")
    with terminal(based, "exec", "-t", "box", "stty", "size") as tty:
        tty.until("30 100\r\n")
        assert tty.wait() == 0
    with terminal(based, "run", "-it", "--rm", BASE, "stty", "size") as tty:
        tty.until("30 100\r\n")
        assert tty.wait() == 0
