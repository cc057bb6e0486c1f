"""cowl logs: of running, ended and restarted containers, in part and as they come."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

from tests.caller import Caller

BASE = "busybox"
TALK = "echo one; echo two >&2; printf 'three'; exit 4"


def test_streams_parts_and_times(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "box", BASE, "sh", "-c", TALK)
    assert based.text("wait", "box") == "4"
    done = based.cowl("logs", "box")
    assert (done.stdout, done.stderr) == (b"one\nthree\n", b"two\n")
    assert based.cowl("logs", "-n", "1", "box").stdout == b"three\n"
    assert based.cowl("logs", "--tail", "0", "box").stdout == b""
    first = based.cowl("logs", "-t", "box").stdout.splitlines()[0]
    stamp, text = first.split(b" ", 1)
    assert (len(stamp), stamp[-1:], text) == (30, b"Z", b"one")
    assert based.cowl("logs", "--since", "1h", "box").stdout == b"one\nthree\n"
    assert based.cowl("logs", "--until", "1h", "box").stdout == b""
    assert based.cowl("logs", "--since", "2100-01-01", "box").stdout == b""
    based.cowl("start", "box")
    based.cowl("wait", "box")
    assert based.cowl("logs", "box").stdout == b"one\nthree\n" * 2
    based.cowl("logs", "--since", "yesterday", "box", status=1)
    based.cowl("logs", "nothing", status=1)


def test_following_ends_with_the_container_and_not_with_a_restart(based: Caller) -> None:
    script = "n=$(cat /n 2>/dev/null || echo 0); echo $((n + 1)) | tee /n; sleep 0.3; exit $((n < 2))"
    based.cowl("run", "-d", "--name", "box", "--restart", "on-failure", BASE, "sh", "-c", script)
    follower = subprocess.run(
        based.argv("logs", "-f", "box"), env=based.env, capture_output=True, timeout=60, check=True
    )
    assert follower.stdout == b"1\n2\n3\n"
    assert based.text("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "box") == "2 exited"


def test_rotation_bytes_that_are_no_text_and_a_terminal(based: Caller) -> None:
    script = "for n in $(seq 2000); do echo $n; done; printf '\\377\\n'; head -c 40000 /dev/zero | tr '\\0' x"
    options = ("--log-opt", "max-size=60k", "--log-opt", "max-file=2")
    based.cowl("run", "-d", "--name", "box", *options, BASE, "sh", "-c", script)
    based.cowl("wait", "box")
    lines = based.cowl("logs", "box").stdout.splitlines()
    assert lines[-2:] == ["\ufffd".encode(), b"x" * 40000]
    directory = next((based.store / "containers").iterdir()) / "log"
    assert sorted(os.listdir(directory)) == ["container.log", "container.log.1"]
    based.cowl("run", "-d", "-t", "--name", "term", BASE, "sh", "-c", "tty; echo err >&2")
    based.cowl("wait", "term")
    based.cowl("run", "-d", "--name", "quiet", BASE, "true")
    based.cowl("wait", "quiet")
    assert based.cowl("logs", "quiet").stdout == b""
    assert based.cowl("logs", "term").stdout == b"/dev/pts/0\r\nerr\r\n"


def test_what_ran_in_the_foreground_has_logs_too(based: Caller) -> None:
    done = based.cowl("run", "--network", "none", "--name", "box", BASE, "sh", "-c", TALK, status=4)
    assert (done.stdout, done.stderr) == (b"one\nthree", b"two\n")
    again = based.cowl("start", "-a", "box", status=4)
    assert (again.stdout, again.stderr) == (b"one\nthree", b"two\n")
    found = based.cowl("logs", "box")
    assert (found.stdout, found.stderr) == (b"one\nthree\n" * 2, b"two\n" * 2)
    argv = based.argv("run", "--name", "null", BASE, "echo", "to nobody")
    subprocess.run(argv, env=based.env, stdout=subprocess.DEVNULL, timeout=60, check=True)
    assert based.cowl("logs", "null").stdout == b"to nobody\n"


def test_none_keeps_nothing_and_who_starts_it_in_python_decides(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "mute", "--log-driver", "none", BASE, "echo", "x")
    assert b"does not support reading" in based.cowl("logs", "mute", status=1).stderr
    based.cowl("run", "--log-driver", "none", BASE, "echo", "x")
    code = "import cowl; cowl.Engine().run('busybox', ['echo', 'x'], remove=False, name='mine')"
    assert based.python(code).returncode == 0
    assert b"was not kept" in based.cowl("logs", "mine", status=1).stderr
    based.cowl("run", "-d", "--log-driver", "syslog", BASE, "true", status=125)
    based.cowl("create", "--name", "new", BASE, "true")
    assert based.cowl("logs", "-f", "new").stdout == b""


def test_a_log_that_can_not_be_written_is_no_end(based: Caller) -> None:
    script = "while :; do echo x; sleep 0.05; done"
    based.cowl("run", "-d", "--name", "box", BASE, "sh", "-c", script)
    directory = next((based.store / "containers").iterdir()) / "log"
    shutil.rmtree(directory)
    directory.write_text("in the way")
    time.sleep(0.3)
    assert based.text("inspect", "-f", "{{.State.Status}}", "box") == "running"


def test_the_library_reads_them_too(based: Caller) -> None:
    code = """
import cowl, os
with cowl.Engine(os.environ["COWL_ROOT"]) as engine:
    box = engine.start("busybox", ["sh", "-c", "echo a; echo b >&2"], detach=True)
    found = [(entry.stream, entry.data) for entry in box.logs(follow=True)]
    assert sorted(found) == [("stderr", b"b\\n"), ("stdout", b"a\\n")], found
    entry = next(box.logs(tail=1))
    assert box.started_at - 1 < entry.time < box.refresh().finished_at + 1
    box.remove()
"""
    done = based.python(code)
    assert done.returncode == 0, done.stderr.decode()
