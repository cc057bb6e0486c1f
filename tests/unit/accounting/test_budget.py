"""Budgets: what can be written, and what is beyond."""

from __future__ import annotations

import pytest

from cowl.accounting.budget import Budget, Excess, InvalidBudget
from cowl.accounting.explanation import Explanation, PathBytes

TOLD = Explanation(
    kind="image",
    id="sha256:0",
    name="x",
    size_bytes=1000,
    visible_bytes=900,
    shadowed_bytes=100,
    allocated_bytes=4096,
    shadowed_allocated_bytes=0,
    efficiency=0.9,
    files=3,
    layers=(),
    tree=PathBytes("/", True, 900, 3),
    waste=(),
    duplicates=(),
    duplicate_bytes=50,
)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("wasted=20MB,size=300MB", Budget(wasted=20_000_000, size=300_000_000)),
        ("size=1.5GiB", Budget(size=3 << 29)),
        ("duplicates=0, layers=12", Budget(duplicates=0, layers=12)),
        ("efficiency=95%", Budget(efficiency=0.95)),
        ("efficiency=.5,files=7", Budget(efficiency=0.5, files=7)),
    ],
)
def test_what_can_be_written(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@pytest.mark.parametrize(
    "text",
    [
        *("", "wasted", "wasted=", "waste=1", "size=1,size=2", "size=-1", "size=1e9", "size=9999999999PB"),
        *("layers=1.5", "layers=٣", "efficiency=1.1", "efficiency=nan", "efficiency=-0.1", "size=x" * 1000),
    ],
)
def test_what_can_not(text: str) -> None:
    with pytest.raises(InvalidBudget, match=r"invalid budget") as caught:
        Budget.parse(text)
    assert len(caught.value.message) < 250


def test_limits_hold_up_to_the_last_byte() -> None:
    exact = Budget(size=1000, wasted=100, duplicates=50, layers=0, files=3, efficiency=0.9)
    assert exact.exceeded(TOLD) == ()
    tight = Budget(size=999, wasted=90, efficiency=0.95)
    assert tight.exceeded(TOLD) == (
        Excess("size", 999, 1000),
        Excess("wasted", 90, 100),
        Excess("efficiency", 0.95, 0.9),
    )
    assert [each.by for each in tight.exceeded(TOLD)] == pytest.approx([1, 10, 0.05])
