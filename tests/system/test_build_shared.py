"""Builds of the same thing at once, in several processes: made once, taken over, never in anybody's way."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller

WAITING = b"waiting for who makes this step already"


@pytest.fixture
def context(caller: Caller, busybox_tar: Path) -> Path:
    caller.cowl("import", str(busybox_tar), "base")
    root = caller.home / "context"
    root.mkdir()
    (root / "a").write_text("a")
    (root / "Dockerfile").write_text("FROM base\nCOPY a /\nRUN echo up; sleep 0.7; echo made > /made\n")
    return caller.give(root)


class Build:
    """A cowl build in a process of its own; what it says is read as it comes."""

    def __init__(self, caller: Caller, *words: str) -> None:
        self.process = subprocess.Popen(
            caller.argv("build", "--progress", "plain", *words),
            env=caller.env,
            cwd=caller.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.said = b""

    def until(self, words: bytes) -> None:
        assert self.process.stderr is not None
        while words not in self.said:
            assert select.select([self.process.stderr], (), (), 60)[0], self.said
            part = os.read(self.process.stderr.fileno(), 1 << 16)
            assert part, self.said
            self.said += part

    def end(self) -> bytes:
        self.said += self.process.communicate(timeout=60)[1]
        return self.said


@contextlib.contextmanager
def building(caller: Caller, *words: str) -> Iterator[Build]:
    build = Build(caller, *words)
    try:
        yield build
    finally:
        build.process.kill()
        build.process.communicate()


def test_the_second_takes_over_what_the_first_makes(caller: Caller, context: Path) -> None:
    with building(caller, "-t", "one", str(context)) as one:
        one.until(b" up\n")
        with building(caller, "-t", "two", str(context)) as two:
            two.until(b"#3 " + WAITING)
            assert b"DONE" in one.end()
            said = two.end()
    assert (one.process.returncode, two.process.returncode) == (0, 0), said
    assert said.count(WAITING) == 1
    assert b"#3 CACHED" in said
    assert b" up\n" not in said
    assert caller.text("images", "-q", "--no-trunc", "one") == caller.text(
        "images", "-q", "--no-trunc", "two"
    )
    assert caller.text("system", "check") == "0 problems"


def test_a_killed_build_leaves_its_step_to_who_waits(caller: Caller, context: Path) -> None:
    with building(caller, str(context)) as one:
        one.until(b" up\n")
        with building(caller, "-t", "two", str(context)) as two:
            two.until(b"#3 " + WAITING)
            one.process.send_signal(signal.SIGKILL)
            said = two.end()
    assert two.process.returncode == 0, said
    assert b" up\n" in said
    assert caller.text("run", "--rm", "two", "cat", "/made") == "made"
    assert caller.text("system", "check") == "0 problems"


def test_a_failure_is_not_taken_over(root_caller: Caller, busybox_tar: Path) -> None:
    caller = root_caller
    caller.cowl("import", str(busybox_tar), "base")
    root = caller.home / "context"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM base\nRUN echo up; sleep 0.5; exit 3\n")
    with building(caller, str(root)) as one:
        one.until(b" up\n")
        with building(caller, str(root)) as two:
            two.until(b"#2 " + WAITING)
            one.end()
            assert b" up\n" in two.end()
    assert (one.process.returncode, two.process.returncode) == (1, 1)


def test_who_waits_can_be_interrupted(root_caller: Caller, busybox_tar: Path) -> None:
    caller = root_caller
    caller.cowl("import", str(busybox_tar), "base")
    root = caller.home / "context"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM base\nRUN echo up; sleep 1000\n")
    with building(caller, str(root)) as one:
        one.until(b" up\n")
        with building(caller, str(root)) as two:
            two.until(b"#2 " + WAITING)
            two.process.send_signal(signal.SIGINT)
            assert b"#2 CANCELED" in two.end()
            assert two.process.returncode == 130
        one.process.send_signal(signal.SIGINT)
        one.end()
    assert os.listdir(caller.store / "staging") == []


def test_without_the_cache_nobody_waits_for_another_build(root_caller: Caller, busybox_tar: Path) -> None:
    caller = root_caller
    caller.cowl("import", str(busybox_tar), "base")
    root = caller.home / "context"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM base\nRUN echo up; sleep 0.7; echo x > /x\n")
    with building(caller, "--no-cache", str(root)) as one:
        one.until(b" up\n")
        with building(caller, "--no-cache", str(root)) as two:
            two.until(b" up\n")
            assert WAITING not in two.end() + one.end()
    assert (one.process.returncode, two.process.returncode) == (0, 0)
