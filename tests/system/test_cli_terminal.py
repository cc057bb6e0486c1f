"""-it, signals and progress on a real terminal: a pty with cowl's process group in its foreground."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import needs, real_registry, tar_of, write_oci_layout

BASE = "busybox"
PATIENCE = 30


class Terminal:
    """A program on a terminal of its own, as its session's leader."""

    def __init__(self, argv: list[str], env: dict[str, str], home: Path, rows: int, columns: int) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.seen = ""
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            os.closerange(3, 256)
            os.chdir(home)
            os.execve("/usr/bin/env", ["env", *argv], {**env, "TERM": "xterm"})

    def resize(self, rows: int, columns: int) -> None:
        """As a window manager would: the foreground group gets SIGWINCH."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, pattern: str, *, typing: str = "") -> str:
        """Reads until the pattern shows up in what was not matched yet; what was read before its end.

        typing  is typed again whenever nothing comes for a while
        """
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.seen)) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.seen[-1000:]!r}"
            if select.select([self.master], [], [], min(left, 0.5) if typing else left)[0]:
                self.seen += os.read(self.master, 1 << 16).decode(errors="replace")
            elif typing:
                self.type(typing)
        text, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return text

    def wait(self) -> int:
        """Its exit status; what it still prints goes to `seen`."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.02)[0]:
                self.seen += os.read(self.master, 1 << 16).decode(errors="replace")
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"it does not end: {self.seen[-1000:]!r}")

    def settings_restored(self) -> bool:
        return termios.tcgetattr(self.slave) == self.before

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)


@contextmanager
def terminal(caller: Caller, *words: str, env: dict[str, str] | None = None) -> Iterator[Terminal]:
    opened = Terminal(caller.argv(*words), {**caller.env, **(env or {})}, caller.home, 30, 100)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    return caller


def test_a_shell(based: Caller) -> None:
    with terminal(based, "run", "-it", "--rm", "--name", "shell", BASE, "sh") as tty:
        tty.until("# ")
        tty.type("tty; stty size\r")
        assert "/dev/pts/0\r\n30 100\r\n" in tty.until("100\r\n")
        assert not tty.settings_restored()
        tty.resize(25, 90)
        tty.type("sleep 0.1; stty size\r")
        tty.until("25 90\r\n")
        tty.type("echo begun; sleep 600\r")
        tty.until("begun\r\n")
        time.sleep(0.2)
        tty.type("\x03")
        tty.until("# ")
        tty.type("echo code $?\r")
        tty.until("code 130\r\n")
        tty.type("exit 5\r")
        assert tty.wait() == 5
        assert tty.settings_restored()
    assert based.text("ps", "-aq") == ""


def test_exec_on_a_terminal(based: Caller) -> None:
    with terminal(based, "run", "-it", "--rm", "--name", "box", BASE, "sh") as outer:
        outer.until("# ")
        with terminal(based, "exec", "-it", "-e", "A=1", "box", "sh") as inner:
            inner.until("# ")
            inner.type("tty; echo $A; exit 3\r")
            inner.until(r"/dev/pts/1\r\n1\r\n")
            assert inner.wait() == 3
            assert inner.settings_restored()
        outer.type("exit\r")
        assert outer.wait() == 0


def test_the_terminal_of_the_caller_stays_outside(based: Caller) -> None:
    """Without -t the container sees pipes, though we are on a terminal."""
    with terminal(based, "run", "--rm", "-i", BASE, "sh", "-c", "tty; test -t 1 || echo no; cat") as tty:
        tty.until("not a tty\r\nno\r\n")
        tty.type("line\r\x04")
        tty.until("line\r\nline\r\n")
        assert tty.wait() == 0


def test_interrupts_without_a_console(based: Caller) -> None:
    script = "trap 'echo got; exit 9' INT; echo up; while :; do sleep 0.05; done"
    with terminal(based, "run", "--rm", BASE, "sh", "-c", script) as tty:
        tty.until("up\r\n")
        tty.type("\x03")
        tty.until("got\r\n")
        assert tty.wait() == 9
    with terminal(based, "run", "--rm", BASE, "sh", "-c", "echo up; exec sleep 600") as tty:
        tty.until("up\r\n")
        for _ in range(3):
            time.sleep(0.2)
            tty.type("\x03")
        tty.until("killing the container")
        assert tty.wait() == 137
    assert based.text("ps", "-aq") == ""


def test_a_console_for_output_only(based: Caller) -> None:
    with terminal(
        based, "run", "--rm", "-t", BASE, "sh", "-c", "sleep 0.3; stty size; tty; test -t 0 && echo three"
    ) as tty:
        tty.until(r"30 100\r\n/dev/pts/0\r\nthree\r\n")
        assert tty.wait() == 0
    done = based.cowl("run", "--rm", "-t", BASE, "sh", "-c", "echo a; test -t 1 && echo tty")
    assert done.stdout == b"a\r\ntty\r\n"


def test_interactive_terminals_need_one(based: Caller) -> None:
    done = based.cowl("run", "-it", BASE, "true", status=1)
    assert done.stderr.startswith(b"cowl: the input device is not a TTY\n")
    assert based.text("ps", "-aq") == ""


def test_a_lot_of_output_through_a_console(based: Caller) -> None:
    with terminal(based, "run", "--rm", "-t", BASE, "seq", "20000") as tty:
        assert tty.wait() == 0
        tty.until("20000\r\n$")


def test_a_build_on_a_terminal(based: Caller) -> None:
    context = based.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo moving; sleep 0.5\n")
    based.give(context)
    with terminal(based, "build", "-t", "x", str(context)) as tty:
        tty.until(r"=> => moving")
        tty.until(r"=> \[2/2\] RUN echo moving; sleep 0.5  DONE")
        tty.until("naming to docker.io/library/x:latest done")
        assert tty.wait() == 0
        assert tty.seen.rfind("\x1b[?25h") >= tty.seen.rfind("\x1b[?25l")  # the cursor is back
    (context / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo begun; sleep 600\n")
    with terminal(based, "build", str(context)) as tty:
        tty.until("=> => begun")
        tty.type("\x03")
        tty.until(r"CANCELED \[2/2\]")
        assert tty.wait() == 130
        assert tty.settings_restored()


@needs("docker-registry", "skopeo")
def test_a_run_pulls_with_bars(caller: Caller, busybox_tar: Path, tmp_path: Path) -> None:
    layers = [busybox_tar.read_bytes(), tar_of({"big": os.urandom(8 << 20)})]
    write_oci_layout(tmp_path / "made", layers)
    (tmp_path / "registry").mkdir()
    with real_registry(tmp_path / "registry") as registry:
        registry.fill(tmp_path / "made", "library/app:1")
        mirror = {"COWL_MIRRORS": f"docker.io={registry.netloc}", "COWL_INSECURE": registry.netloc}
        with terminal(caller, "run", "--rm", "app:1", "echo", "hello", env=mirror) as tty:
            tty.until("Unable to find image 'app:1' locally\r\n")
            tty.until("1: Pulling from library/app")
            tty.until("Pull complete")
            tty.until("Status: Downloaded newer image for app:1")
            tty.until("hello\r\n")
            assert tty.wait() == 0
        done = caller.cowl("pull", "app:1", env=mirror)
        assert done.stdout == b"docker.io/library/app:1\n"
        assert b"Status: Image is up to date for app:1\n" in done.stderr
        done = caller.cowl("pull", "-q", "app:1", env=mirror)
        assert (done.stdout, done.stderr) == (b"docker.io/library/app:1\n", b"")
        done = caller.cowl("pull", "app:2", status=1, env=mirror)
        assert b"app:2" in done.stderr
        assert caller.text("images", "--digests", "--format", "{{.Digest}}").startswith("sha256:")
