"""The history of an image of which some layers became one."""

from __future__ import annotations

from cowl.oci.image_config import History
from cowl.transfer.squash_image import merged_history

NOW = "2026-01-02T03:04:05Z"


def entries(*words: str) -> list[History]:
    """An entry for each word; one in brackets made no layer."""
    return [History(created_by=word, empty_layer=word.startswith("[")) for word in words]


def told(*words: str, layers: int, start: int, end: int) -> list[str]:
    return [
        f"= {entry.comment}" if entry.created_by.startswith("cowl squash") else entry.created_by
        for entry in merged_history(entries(*words), layers, start, end, NOW)
    ]


def test_one_entry_for_a_range() -> None:
    found = told("base", "a", "[env]", "b", "c", "[cmd]", layers=4, start=1, end=3)
    assert found == ["base", "[env]", "= 2 layers: a; b", "c", "[cmd]"]
    merged = merged_history(entries("base", "a", "b"), 3, 1, 3, NOW)[-1]
    assert merged == History(created=NOW, created_by="cowl squash --from 2 --to 3", comment="2 layers: a; b")


def test_all_of_them() -> None:
    assert told("base", "[env]", "a", layers=2, start=0, end=2) == ["[env]", "= 2 layers: base; a"]


def test_layers_that_nothing_tells_of() -> None:
    assert told("a", "b", layers=4, start=1, end=3) == ["= 2 layers: (unknown); a", "b"]
    assert told("a", "b", layers=4, start=0, end=2) == ["a", "b"]
    assert told(layers=3, start=0, end=3) == []


def test_a_comment_has_bounds() -> None:
    comment = merged_history(entries("x" * 5000, "y"), 2, 0, 2, NOW)[0].comment
    assert len(comment) == 4096
    assert comment.endswith("...")
