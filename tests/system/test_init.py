"""--init: a process 1 that passes signals on and reaps, and has nothing of the host in it."""

from __future__ import annotations

import signal
import subprocess

import pytest
from tests.caller import Caller
from tests.system.test_cli_terminal import terminal
from tests.system.test_detached import BASE, state, until

ORPHANS = "for i in $(seq 20); do (sleep 0 & exec true); done"
NO_ZOMBIES = "until ! grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do :; done"


def test_process_1_is_the_init_and_the_command_its_child(based: Caller) -> None:
    script = "echo $$; cat /proc/1/comm /proc/1/cmdline; grep -E '^PPid' /proc/self/status; ls /proc/self/fd"
    done = based.text("run", "--rm", "--init", BASE, "sh", "-c", script)
    assert done.replace("\0", " ").splitlines() == [
        "2",
        "cowl-init",
        "cowl-init 2 PPid:\t2",
        "0",
        "1",
        "2",
        "3",
    ]
    assert based.cowl("run", "--rm", "--init", BASE, "sh", "-c", "exit 42", status=42)
    assert based.cowl("run", "--rm", "--init", BASE, "sh", "-c", "kill -KILL $$", status=137)
    missing = based.cowl("run", "--rm", "--init", BASE, "nothing-like-it", status=127)
    assert b"executable file not found" in missing.stderr
    based.cowl("run", "--rm", "--init", "-u", "1000:1000", "--read-only", BASE, "true")


def test_it_reaps(based: Caller) -> None:
    """Without it they would stay: a shell that was replaced by sleep buries nobody."""
    for options, code in (((), 124), (("--init",), 0)):
        name = f"box{len(options)}"
        based.cowl("run", "-d", "--name", name, *options, BASE, "sleep", "1000")
        based.cowl("exec", name, "sh", "-c", ORPHANS)
        check = ("exec", name, "timeout", "3" if code else "30", "sh", "-c", NO_ZOMBIES)
        assert (based.cowl(*check, status=None).returncode == 0) is (code == 0)


def test_it_passes_signals_on(based: Caller) -> None:
    """What has no handler ends by SIGTERM, as process 1 it would not."""
    based.cowl("run", "-d", "--init", "--name", "plain", BASE, "sleep", "1000")
    based.cowl("stop", "-t", "60", "plain")
    assert state(based, "plain")["ExitCode"] == 143
    script = "trap 'echo usr1' USR1; trap 'echo hup; exit 7' HUP; echo up; while :; do sleep 0.02; done"
    based.cowl("run", "-d", "--init", "--name", "box", BASE, "sh", "-c", script)
    until(lambda: "up" in based.text("logs", "box"))
    based.cowl("kill", "-s", "USR1", "box")
    until(lambda: "usr1" in based.text("logs", "box"))
    based.cowl("kill", "-s", "HUP", "box")
    assert based.text("wait", "box") == "7"
    process = subprocess.Popen(
        based.argv("run", "--rm", "--init", BASE, "sh", "-c", "echo up; exec sleep 1000"),
        env=based.env,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    process.stdout.close()


def test_on_a_terminal(based: Caller) -> None:
    """Job control is the command's: Ctrl-C comes once."""
    with terminal(based, "run", "--init", "-it", "--rm", BASE, "sh") as tty:
        tty.until("# ")
        tty.type("trap 'echo int' INT; echo ready\r")
        tty.until("\nready\r\n")
        tty.type("sh -c 'echo up; exec sleep 600'\r")
        tty.until("\nup\r\n")
        tty.type("\x03")
        tty.until("# ")
        tty.type("exit 3\r")
        assert tty.wait() == 3
    with terminal(based, "run", "--init", "-it", "--rm", "--name", "box", BASE, "sleep", "1000") as tty:
        until(lambda: b"sleep 1000" in based.cowl("top", "box", status=None).stdout)
        tty.type("\x03")
        assert tty.wait() == 130


@pytest.mark.parametrize("options", [(), ("--cap-add", "ALL"), ("--privileged",)])
def test_nothing_of_the_host_is_in_it(based: Caller, options: tuple[str, ...]) -> None:
    """Its memory is its own 200 bytes; it can't be written to, not even where the root is the host's."""
    script = (
        "readlink /proc/1/exe; grep -c . /proc/1/maps; ls /proc/1/fd | wc -l; wc -c < /proc/1/environ;"
        "grep -E '^(NoNewPrivs|CapEff|CapInh|CapAmb|Seccomp):' /proc/1/status > /a;"
        "grep -E '^(NoNewPrivs|CapEff|CapInh|CapAmb|Seccomp):' /proc/2/status > /b; cmp /a /b && echo alike;"
        "(echo x > /proc/1/exe) 2>/dev/null || echo sealed; head -c 4 /proc/1/exe | tail -c 3; echo"
    )
    lines = based.text("run", "--rm", "--init", *options, BASE, "sh", "-c", script).splitlines()
    exe, maps, descriptors, environment, *rest = lines
    assert "memfd:cowl-init" in exe
    assert int(maps) <= 6  # its code, its stack, what the kernel gives everybody
    assert (int(descriptors), int(environment)) == (3, 0)
    assert rest == ["alike", "sealed", "ELF"]


def test_the_machine_that_is_not_known(based: Caller) -> None:
    code = (
        "from cowl.runtime.init_program import elf\ntry: elf('vax')\nexcept Exception as e: print(e, e.hint)"
    )
    assert based.python(code).stdout == b"--init is not available on vax it is on x86_64 and aarch64\n"
    done = based.cowl("run", "--rm", "--init", "--runtime", "crun", BASE, "true", status=None)
    assert done.returncode == 125
    assert b"embedded runtime" in done.stderr or b"crun" in done.stderr  # the latter where there is none
