"""Columns, truncation, quoting; nothing foreign may move a terminal's cursor."""

from __future__ import annotations

import pytest

from cowl.cli import names
from cowl.cli.table import align
from cowl.cli.text import ellipsis, quoted, short_id, visible


@pytest.mark.parametrize(
    ("text", "room", "expected"),
    [
        ("short", 20, "short"),
        ("docker-entrypoint.sh nginx", 20, "docker-entrypoint.s…"),
        ("exactly twenty chars", 20, "exactly twenty chars"),
        ("日本語日本語日本語日本語", 10, "日本語日…"),
        ("é" * 10, 10, "é" * 10),
        ("é" * 11, 10, "é" * 9 + "…"),
    ],
)
def test_ellipsis(text: str, room: int, expected: str) -> None:
    assert ellipsis(text, room) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", '"plain"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("a\\b\tc\nd\x1b\x7f", '"a\\\\b\\tc\\nd\\x1b\\x7f"'),
        ("ü…", '"ü…"'),
    ],
)
def test_quoted(text: str, expected: str) -> None:
    assert quoted(text) == expected


def test_short_id() -> None:
    assert short_id("sha256:" + "ab" * 32) == "abababababab"
    assert short_id("cd" * 32) == "cdcdcdcdcdcd"


def test_control_characters_become_visible() -> None:
    assert visible("a\x1b]0;title\x07b\x9bc\r") == "a\\x1b]0;title\\x07b\\x9bc\\r"
    assert visible("two\nlines\tand ü\udcff") == "two\nlines\tand ü\udcff"


def test_align_is_tabwriters() -> None:
    lines = [("REPOSITORY", "TAG", "SIZE"), ("alpine", "latest", "7.33MB"), ("日本", "v1", "")]
    assert align(lines) == (
        "REPOSITORY   TAG       SIZE\nalpine       latest    7.33MB\n日本         v1        \n"
    )


def test_a_cell_is_one_line() -> None:
    assert align([("a\nb\tc\x1b[31m", "d")]) == "a\\nb\\tc\\x1b[31m   d\n"


@pytest.mark.parametrize(
    ("reference", "familiar", "parts"),
    [
        ("docker.io/library/node:14", "node:14", ("docker.io/library/node", "14", "")),
        ("docker.io/user/app:1", "user/app:1", ("docker.io/user/app", "1", "")),
        ("localhost:5000/a/b", "localhost:5000/a/b", ("localhost:5000/a/b", "", "")),
        (
            "localhost:5000/a:1@sha256:ff",
            "localhost:5000/a:1@sha256:ff",
            ("localhost:5000/a", "1", "sha256:ff"),
        ),
    ],
)
def test_names(reference: str, familiar: str, parts: tuple[str, str, str]) -> None:
    assert names.familiar(reference) == familiar
    assert names.split(reference) == parts
