"""No input takes more than time in proportion: steps are counted, and the huge ones have bounded time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from tests.unit.dockerfile.hostile import every

SMALL, TWICE = 100, 200
SLACK = 1.25, 400  # a factor, and steps that do not depend on the size


def steps(work: Callable[[], None]) -> int:
    """How many lines of Python the work takes."""
    count = 0

    def trace(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    ("small", "twice"),
    [(small, twice) for (_, small), (_, twice) in zip(every(SMALL), every(TWICE), strict=True)],
    ids=[name for name, _ in every(1)],
)
def test_twice_the_size_is_twice_the_work(small: Callable[[], None], twice: Callable[[], None]) -> None:
    small()  # what is imported and compiled once is not counted
    twice()
    factor, more = SLACK
    assert steps(twice) <= 2 * factor * steps(small) + more


def test_steps_are_counted() -> None:
    def quadratic(size: int) -> Callable[[], None]:
        def work() -> None:
            for _ in range(size):
                for _ in range(size):
                    pass

        return work

    factor, more = SLACK
    assert steps(quadratic(TWICE)) > 2 * factor * steps(quadratic(SMALL)) + more


def test_huge_inputs_are_refused_or_read() -> None:
    argv = [sys.executable, "-m", "tests.unit.dockerfile.hostile"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
