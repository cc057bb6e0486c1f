"""The pytest plugin, in pytests of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cowl

pytest_plugins = ["pytester"]

# Whatever is installed: the entry point's name is off, the module is loaded by its own.
WORDS = ("-p", "no:cowl", "-p", "cowl.pytest_plugin", "-p", "no:cacheprovider")
PASSED = """
    import re, pytest, cowl

    SERVE = ["sh", "-c", "sleep 0.2; echo started >&2; nc -ll -p 6379 -e echo hi"]

    def test_waits(cowl_container):
        box = cowl_container("busybox", SERVE, log="started", port=6379)
        assert box.exec(["nc", "127.0.0.1", "6379"], text=True).stdout == "hi\\n"
        again = cowl_container("busybox", ["sh", "-c", "touch /made; sleep 600"], name="second",
                               ready=lambda box: box.exec(["cat", "/made"]).returncode == 0)
        assert again.name == "second"
        cowl_container("busybox", ["sleep", "600"], healthy=True, health_cmd="true", health_interval=0.1)
        cowl_container("busybox", ["echo", "a 42"], log=re.compile("a [0-9]+"))

    def test_none_is_left(cowl_engine):
        assert [box.name for box in cowl_engine.containers(all=True)] == []

    @pytest.fixture(scope="session")
    def shared(cowl_session_container):
        return cowl_session_container("busybox", ["sleep", "600"])

    def test_one(shared):
        shared.exec(["touch", "/here"], check=True)

    def test_two(shared):
        shared.exec(["cat", "/here"], check=True)

    def test_says_why_not(cowl_container):
        with pytest.raises(cowl.Unavailable, match="ended with exit code 3 before it listened on port 1"):
            cowl_container("busybox", ["sh", "-c", "echo no; exit 3"], port=1)
        with pytest.raises(cowl.Unavailable, match="before its output had 'never'; it wrote nothing"):
            cowl_container("busybox", ["sleep", "600"], log="never", timeout=0.3)
        with pytest.raises(cowl.Invalid, match="has no health check"):
            cowl_container("busybox", ["sleep", "600"], healthy=True)
"""
FAILED = """
    def test_fails(cowl_container):
        cowl_container("busybox", ["sh", "-c", "echo what it said; sleep 600"], name="talker", log="said")
        assert False
"""


@pytest.fixture
def project(pytester: pytest.Pytester, busybox_tar: Path) -> pytest.Pytester:
    """A project with a store of its own, named in its ini file."""
    pytester.makeini("[pytest]\ncowl_root = images")
    with cowl.Engine(pytester.path / "images") as engine, busybox_tar.open("rb") as tar:
        engine.import_image(tar, "busybox")
    return pytester


def left(project: pytest.Pytester) -> list[str]:
    with cowl.Engine(project.path / "images") as engine:
        problems = [str(problem) for problem in engine.store.check()]
        return problems + [box.name for box in engine.containers(all=True)]


def test_containers_are_waited_for_and_go_with_their_tests(project: pytest.Pytester) -> None:
    project.makepyfile(PASSED)
    result = project.runpytest_inprocess(*WORDS)
    result.assert_outcomes(passed=5)
    assert left(project) == []


def test_beside_each_other_in_xdist(project: pytest.Pytester) -> None:
    project.makepyfile(
        PASSED.replace("def test_none_is_left", "def not_alone").replace('"cat", "/here"', '"true"')
    )
    result = project.runpytest_subprocess(*WORDS, "-n", "2", "-p", "xdist", "-k", "not waits")
    result.assert_outcomes(passed=3)
    assert left(project) == []


def test_a_failure_shows_what_the_container_wrote(project: pytest.Pytester) -> None:
    project.makepyfile(FAILED)
    result = project.runpytest_inprocess(*WORDS)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Output of container talker (busybox)*", "what it said"])
    assert left(project) == []


def test_a_killed_pytest_takes_its_containers_along(project: pytest.Pytester) -> None:
    project.makepyfile(FAILED.replace("assert False", "import time; time.sleep(600)"))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *WORDS], cwd=project.path, stdout=subprocess.DEVNULL
    )
    try:
        with cowl.Engine(project.path / "images") as engine:
            until(lambda: [box.name for box in engine.containers()] == ["talker"])
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    until(lambda: left(project) == [])


def until(true: object) -> None:
    assert callable(true)
    for _ in range(1500):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it never came true")


def test_it_costs_a_start_of_pytest_nothing_but_itself() -> None:
    code = (
        "import sys, pytest, cowl; before = set(sys.modules); import cowl.pytest_plugin;"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['cowl.pytest_plugin']\n"
