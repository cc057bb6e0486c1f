"""Feeding and draining real pipes."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Iterator

import pytest

from cowl.container.streams import Pipes, communicate

MANY = 1 << 22  # bytes: many times what a pipe takes


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes.make()
    before = _open_descriptors() - 6
    yield made
    assert _open_descriptors() == before


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _converse(
    pipes: Pipes, command: str, data: bytes = b"", seconds: float | None = None
) -> tuple[bytes, bytes, bool]:
    stdin, stdout, stderr = pipes.child()
    process = subprocess.Popen(["sh", "-c", command], stdin=stdin, stdout=stdout, stderr=stderr)
    pipes.close_child()
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        return communicate(pipes, data, deadline, time.monotonic)
    finally:
        process.kill()
        process.wait()
        pipes.close()


def test_streams_are_kept_apart(pipes: Pipes) -> None:
    assert _converse(pipes, "echo out; echo err >&2") == (b"out\n", b"err\n", True)


def test_more_than_a_pipe_takes_goes_both_ways_at_once(pipes: Pipes) -> None:
    data = os.urandom(MANY)
    assert _converse(pipes, "tee /dev/stderr", data) == (data, data, True)


def test_a_reader_that_stops_is_no_error(pipes: Pipes) -> None:
    assert _converse(pipes, "exec <&-; echo done", bytes(MANY)) == (b"done\n", b"", True)


def test_the_deadline_gives_what_was_read(pipes: Pipes) -> None:
    assert _converse(pipes, "echo early; exec sleep 60", seconds=0.5) == (b"early\n", b"", False)


def test_the_deadline_holds_for_a_reader_that_reads_nothing(pipes: Pipes) -> None:
    assert _converse(pipes, "exec sleep 60", bytes(MANY), seconds=0.2)[2] is False


@pytest.mark.parametrize("seconds", [1e9, float("inf")])
def test_deadlines_far_away(pipes: Pipes, seconds: float) -> None:
    assert _converse(pipes, "echo hi", seconds=seconds) == (b"hi\n", b"", True)


def test_an_interrupt_leaks_nothing(pipes: Pipes) -> None:
    def interrupted() -> float:
        raise KeyboardInterrupt

    pipes.close_child()
    with pytest.raises(KeyboardInterrupt):
        communicate(pipes, bytes(MANY), 1.0, interrupted)
    pipes.close()


def test_pipes_that_can_not_be_made_leak_nothing() -> None:
    before = _open_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    spare = [os.open("/dev/null", os.O_RDONLY) for _ in range(highest)]  # no gaps below the limit
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(spare) + 5, hard))
        with pytest.raises(OSError, match="Too many open files"):
            Pipes.make()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in spare:
            os.close(fd)
    assert _open_descriptors() == before
