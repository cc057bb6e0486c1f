"""Attached to containers that are there: their streams, one's leaving, and what nobody may do to them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

from tests.caller import Caller
from tests.system.test_detached import BASE, monitors, state, until
from tests.system.test_monitor import LIMIT_KIB, proportional_kib, settled

ECHO = "echo out; echo err >&2; while read line; do echo got $line; done; echo end; exit 3"


def attached(caller: Caller, *words: str) -> subprocess.Popen[bytes]:
    """`cowl WORDS` with pipes at all its streams."""
    return subprocess.Popen(
        caller.argv(*words),
        env=caller.env,
        cwd=caller.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def started(caller: Caller, script: str) -> None:
    """A container "box" in the background, with an input, that has printed something by now."""
    caller.cowl("run", "-d", "-i", "--name", "box", BASE, "sh", "-c", script)
    until(lambda: caller.text("logs", "box"))


def feed(process: subprocess.Popen[bytes], line: bytes, answer: bytes) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line)
    process.stdin.flush()
    assert process.stdout.readline() == answer


def test_two_at_once_and_one_s_end_is_not_the_end(based: Caller) -> None:
    """Of one started with -d the input stays open: docker run -d -i."""
    started(based, ECHO)
    first, second = attached(based, "attach", "box"), attached(based, "attach", "--no-stdin", "box")
    feed(first, b"a\n", b"got a\n")
    assert first.stdin is not None and second.stdout is not None
    until(lambda: b"got a" in based.cowl("logs", "box").stdout)
    first.stdin.close()
    third = attached(based, "attach", "box")
    feed(third, b"b\n", b"got b\n")
    assert state(based, "box")["Running"] is True
    based.cowl("kill", "--signal", "KILL", "box")
    for process in (first, second, third):
        assert process.wait(timeout=30) == 137
    assert second.stdout.read().endswith(b"got b\n")


def test_the_input_of_one_started_attached_ends_with_ours(based: Caller) -> None:
    """start -a -i, by way of a monitor since it has a restart policy: StdinOnce, and the exit code."""
    based.cowl("create", "-i", "--name", "box", "--restart", "always", BASE, "sh", "-c", ECHO)
    done = based.cowl("start", "-a", "-i", "box", stdin=b"x\ny\n", status=3)
    assert (done.stdout, done.stderr) == (b"out\ngot x\ngot y\nend\n", b"err\n")
    until(lambda: state(based, "box")["Status"] == "running")  # its policy has started it again
    based.cowl("kill", "box")
    until(lambda: not monitors(based))
    assert not (based.store / "containers" / based.text("ps", "-aq", "--no-trunc") / "monitor.sock").exists()


def test_run_with_a_restart_policy_in_the_foreground(based: Caller) -> None:
    script = "echo run; exit 4"
    done = based.cowl("run", "--name", "box", "--restart", "on-failure:1", BASE, "sh", "-c", script, status=4)
    assert done.stdout == b"run\n"
    until(lambda: not monitors(based))
    assert based.text("logs", "box") == "run\nrun"


def test_start_attached_to_one_that_runs(based: Caller) -> None:
    started(based, ECHO)
    process = attached(based, "start", "-a", "-i", "box")
    feed(process, b"a\n", b"got a\n")
    based.cowl("kill", "box")
    assert process.wait(timeout=30) == 137


def test_signals_go_to_the_container(based: Caller) -> None:
    """Unless --sig-proxy=false: then they end the command, and it goes on."""
    script = "trap 'echo caught; exit 9' TERM; echo up; while read x; do echo $x; done"
    started(based, script)
    alone = attached(based, "attach", "--sig-proxy=false", "box")
    feed(alone, b"1\n", b"1\n")
    alone.send_signal(signal.SIGTERM)
    assert alone.wait(timeout=30) == 143
    process = attached(based, "attach", "box")
    feed(process, b"2\n", b"2\n")
    process.send_signal(signal.SIGTERM)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.wait(timeout=30) == 9
    assert b"caught" in process.stdout.read()


def test_what_can_not_be_attached_to(based: Caller) -> None:
    based.cowl("create", "--name", "box", BASE, "true")
    done = based.cowl("attach", "box", status=1)
    assert done.stderr == b"cowl: cannot attach to a stopped container, start it first\n"
    with attached(based, "run", "--rm", "-i", "--name", "front", BASE, "sh", "-c", ECHO) as front:
        feed(front, b"", b"out\n")
        assert b"another command runs it in the foreground" in based.cowl("attach", "front", status=1).stderr
        front.communicate(b"", timeout=30)
    based.cowl("run", "-dit", "--name", "tty", BASE, "sh")
    assert b"the input device is not a TTY" in based.cowl("attach", "tty", status=1).stderr
    done = based.cowl("attach", "--detach-keys", "ctrl-1", "tty", status=1)
    assert b"invalid detach keys (ctrl-1): unknown key 'ctrl-1'" in done.stderr


def test_a_reader_that_sleeps_holds_up_nobody(based: Caller) -> None:
    """It is told what it has missed; who reads has all."""
    size = 4 << 20
    script = f"read go; yes 0123456789abcde | head -c {size}; echo; echo last; read end"
    based.cowl("run", "-d", "-i", "--log-driver", "none", "--name", "box", BASE, "sh", "-c", script)
    code = (
        "import sys, cowl\n"
        "box = cowl.Engine().container('box')\n"
        "sleeper, reader = box.attach(), box.attach()\n"
        "reader.send(b'go\\n')\n"
        "seen = 0\n"
        "for stream, data in reader:\n"
        "    seen += len(data)\n"
        "    if data.endswith(b'last\\n'): break\n"
        "late = b''\n"
        "reader.send(b'end\\n')\n"
        "for stream, data in sleeper: late += data\n"
        "print(seen, len(late) + sleeper.skipped_bytes, sleeper.skipped_bytes > 0, sleeper.exit_code)\n"
    )
    done = based.python(code)
    assert done.stdout.decode() == f"{size + 6} {size + 6} True 0\n", done.stderr.decode()


def test_ten_thousand_attaches_leave_nothing(based: Caller) -> None:
    """Threat 40: memory and descriptors of the monitor stay as they are."""
    based.cowl("run", "-d", "-i", "--name", "box", BASE, "cat")
    until(lambda: settled(based, 1))
    (monitor,) = [pid for pid in monitors(based) if b"attendance" in _command(pid)][:1]
    code = (
        "import sys, cowl\n"
        "box = cowl.Engine().container('box')\n"
        "for _ in range(int(sys.argv[1])):\n"
        "    box.attach().close()\n"
        "with box.attach() as last:\n"
        "    last.send(b'here\\n')\n"
        "    assert last.receive() == ('stdout', b'here\\n')\n"
    )
    assert based.python(code, "500").returncode == 0
    before = len(os.listdir(f"/proc/{monitor}/fd")), _resident_kib(monitor)
    assert based.python(code, "10000" if based.name == "root" else "500").returncode == 0
    until(lambda: len(os.listdir(f"/proc/{monitor}/fd")) <= before[0])
    assert _resident_kib(monitor) - before[1] < 512
    assert proportional_kib(monitor) < LIMIT_KIB


def test_a_hundred_at_once_and_no_more(based: Caller) -> None:
    based.cowl("run", "-d", "-i", "--name", "box", BASE, "cat")
    code = (
        "import cowl\n"
        "box = cowl.Engine().container('box')\n"
        "all = [box.attach() for _ in range(100)]\n"
        "try: box.attach()\n"
        "except cowl.Unavailable as error: print(error)\n"
        "all.pop().close()\n"
        "for _ in range(1000):\n"
        "    try: all.append(box.attach()); break\n"
        "    except cowl.Unavailable: pass\n"
        "all[-1].send(b'to all\\n')\n"
        "print({each.receive()[1] or each.receive()[1] for each in all}, len(all))\n"
    )
    done = based.python(code)
    said = "can't attach to box: too many are attached already: 100\n{b'to all\\n'} 100\n"
    assert done.stdout.decode() == said, done.stderr.decode()


def test_the_socket_is_the_owner_s_alone(based: Caller) -> None:
    identity = based.text("run", "-d", "--name", "box", BASE, "sleep", "1000")
    socket = based.store / "containers" / identity / "monitor.sock"
    assert stat.S_ISSOCK(socket.stat().st_mode)
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert len(os.fsencode(socket)) > 108  # more than an address holds
    assert str(socket) not in Path("/proc/net/unix").read_text()  # bound by a short name
    until(lambda: settled(based, 1))  # while it changes programs it is not to be found
    for monitor in monitors(based):
        os.kill(monitor, signal.SIGKILL)
    until(lambda: state(based, "box")["Running"] is False)
    based.cowl("start", "box")
    process = attached(based, "attach", "box")
    based.cowl("kill", "box")
    assert process.wait(timeout=30) in (1, 137)  # it may have come too late


def test_the_death_of_a_monitor_is_told(based: Caller) -> None:
    started(based, ECHO)
    process = attached(based, "attach", "box")
    feed(process, b"a\n", b"got a\n")
    for monitor in monitors(based):
        os.kill(monitor, signal.SIGKILL)
    assert process.wait(timeout=30) == 137


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    raise AssertionError(pid)
