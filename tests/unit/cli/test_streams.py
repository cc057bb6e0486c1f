"""Streams, relays and signals over real pipes, processes and terminals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cowl.cli.signals import Forwarder
from cowl.cli.streams import Alarm, Pump, Streams, open_streams, relay


@contextmanager
def standing_in(fd: int, by: int) -> Iterator[None]:
    """`by` in the place of one of our standard streams."""
    before = os.dup(fd)
    os.dup2(by, fd)
    try:
        yield
    finally:
        os.dup2(before, fd)
        os.close(before)


@contextmanager
def started(streams: Streams, script: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    stdin, stdout, stderr = streams.child
    with subprocess.Popen(["sh", "-c", script], stdin=stdin, stdout=stdout, stderr=stderr) as process:
        streams.close_child()
        pidfd = os.pidfd_open(process.pid)
        try:
            yield process, pidfd
        finally:
            os.close(pidfd)
            process.kill()


def test_pipes_of_the_callers_are_handed_on() -> None:
    reader, writer = os.pipe()
    try:
        with standing_in(1, writer), standing_in(2, writer), standing_in(0, reader):
            streams = open_streams(interactive=True, tty=False)
        assert streams.child == (0, 1, 1)
        assert streams.pumps == ()
        streams.close_all()
    finally:
        os.close(reader)
        os.close(writer)


def test_files_and_terminals_are_not(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        with standing_in(0, directory), standing_in(1, file), standing_in(2, slave):
            streams = open_streams(interactive=True, tty=False)
            kinds = {os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in streams.child}
            assert kinds == {"pipe"}
            assert len(streams.pumps) == 3
            streams.close_all()
    finally:
        for fd in (master, slave, file, directory):
            os.close(fd)


def test_without_interactive_stdin_is_empty() -> None:
    streams = open_streams(interactive=False, tty=False)
    assert os.readlink(f"/proc/self/fd/{streams.child[0]}") == "/dev/null"
    streams.close_all()


def test_output_to_one_file_keeps_its_order(tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as out, standing_in(1, out.fileno()), standing_in(2, out.fileno()):
        streams = open_streams(interactive=False, tty=False)
        with started(streams, "for i in 1 2 3; do echo $i; echo $i >&2; done") as (_, pidfd):
            relay(streams.pumps, pidfd, Alarm())
    assert (tmp_path / "out").read_text() == "1\n1\n2\n2\n3\n3\n"


def test_a_megabyte_in_and_out(tmp_path: Path) -> None:
    data = os.urandom(1 << 20)
    (tmp_path / "in").write_bytes(data)
    with (
        open(tmp_path / "in", "rb") as source,
        open(tmp_path / "out", "wb") as out,
        standing_in(0, source.fileno()),
        standing_in(1, out.fileno()),
    ):
        streams = open_streams(interactive=True, tty=False)
        with started(streams, "cat; echo end >&2") as (process, pidfd):
            relay(streams.pumps, pidfd, Alarm())
            assert process.wait() == 0
    assert (tmp_path / "out").read_bytes() == data


def test_who_does_not_read_its_stdin_hangs_nobody(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(bytes(1 << 20))
    with open(tmp_path / "in", "rb") as source, standing_in(0, source.fileno()):
        streams = open_streams(interactive=True, tty=False)
        with started(streams, "exit 3") as (process, pidfd):
            relay(streams.pumps, pidfd, Alarm())
            assert process.wait() == 3


def test_a_background_child_that_holds_the_output_is_not_waited_for(tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as out, standing_in(1, out.fileno()):
        streams = open_streams(interactive=False, tty=False)
        with started(streams, "sleep 5 & echo $!; exit 0") as (_, pidfd):
            relay(streams.pumps, pidfd, Alarm())
    os.kill(int((tmp_path / "out").read_text()), signal.SIGKILL)


def test_a_sink_that_is_gone_ends_the_pump() -> None:
    reader, writer = os.pipe()
    source, feed = os.pipe()
    os.close(reader)
    os.write(feed, b"x")
    pump = Pump(source, writer, (source, writer), output=True)
    pump.step()
    assert pump.done
    os.close(feed)


SIGNALS = """
import os, signal, subprocess, sys
from cowl.cli.signals import Forwarder
from cowl.cli.streams import relay
for number in (signal.SIGINT, signal.SIGQUIT):  # a shell ignores them for its background
    signal.signal(number, signal.SIG_DFL)
child = subprocess.Popen(["sh", "-c", sys.argv[1]])
with Forwarder(child.send_signal, None, proxy=True) as alarm:
    os.write(1, b"ready\\n")
    relay((), os.pidfd_open(child.pid), alarm)
os.write(1, b"%d\\n" % child.wait())
"""


def signalled(script: str, numbers: list[int]) -> str:
    """What the relaying process prints at the end, after it was sent these signals."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", SIGNALS, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        start_new_session=True,
    ) as relaying:
        try:
            assert relaying.stdout is not None
            lines = iter(relaying.stdout.readline, b"")
            assert {next(lines), next(lines)} == {b"ready\n", b"trapped\n"}
            for number in numbers:
                relaying.send_signal(number)
                time.sleep(0.1)
            rest = [line.decode().strip() for line in lines]
            assert relaying.wait() == 0
        except BaseException:
            os.killpg(relaying.pid, signal.SIGKILL)
            raise
    return " ".join(rest)


LOOP = "echo trapped; while :; do sleep 0.05; done"


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"])
def test_signals_are_passed_on(name: str) -> None:
    number = int(signal.Signals[f"SIG{name}"])
    assert signalled(f"trap 'echo got; exit 5' {name}; {LOOP}", [number]) == "got 5"


def test_the_third_interrupt_kills_who_ignores_them() -> None:
    assert signalled(f"trap '' INT TERM; {LOOP}", [signal.SIGINT, signal.SIGTERM, signal.SIGINT]) == "-9"


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Forwarder(lambda _number: None, None, proxy=True) as alarm:
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
            assert alarm.fd >= 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_without_proxy_nothing_is_caught() -> None:
    with Forwarder(lambda _number: None, None, proxy=False):
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_new_size_is_heard() -> None:
    sizes: list[int] = []
    with Forwarder(lambda _number: None, lambda: sizes.append(1), proxy=False) as alarm:
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGWINCH)).start()
        with subprocess.Popen(["sleep", "0.3"]) as child:
            pidfd = os.pidfd_open(child.pid)
            relay((), pidfd, alarm)
            os.close(pidfd)
    assert sizes == [1]
