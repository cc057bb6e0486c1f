"""docs/explain.md names every field of every JSON object, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cowl.accounting import compare, explanation
from cowl.layer.comparison import PathChange
from cowl.value import Value

PAGE = Path(__file__).parents[3] / "docs" / "explain.md"
OBJECTS: tuple[type[Value], ...] = (
    explanation.Explanation,
    explanation.LayerBytes,
    explanation.PathBytes,
    explanation.Waste,
    explanation.DuplicateSet,
    explanation.Copy,
    explanation.Beside,
    compare.Comparison,
    compare.Compared,
    PathChange,
)


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.__name__)
def test_the_page_names_the_fields(kind: type[Value]) -> None:
    (row,) = re.findall(rf"^\| {kind.__name__}(?:,[^|]*)? \|([^|]*)\|$", PAGE.read_text(), re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", row)) == kind._fields
