"""How a place is shown: carets under tabs, wide letters and cut lines; suggestions; errors of the build."""

from __future__ import annotations

import pytest

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import describe_at, error_at, excerpt_of, quoted, suggestion
from cowl.dockerfile.parser import parse
from cowl.errors import Invalid


def test_excerpts() -> None:
    assert excerpt_of("RUN x", 7, 5) == "    7 | RUN x\n      |     ^"
    assert excerpt_of("\tRUN x", 7, 2, 3) == "    7 | \tRUN x\n      | \t^^^"
    assert excerpt_of("한 b", 7, 3) == "    7 | 한 b\n      |    ^"
    assert excerpt_of("ab", 7, 99, 5) == "    7 | ab\n      |   ^"
    assert excerpt_of("a\x1bb", 7, 1) == "    7 | a\ufffdb\n      | ^"


def test_long_lines_are_cut_around_the_caret() -> None:
    shown, caret = excerpt_of("x" * 5000 + "HERE" + "y" * 5000, 1, 5001, 4).splitlines()
    assert len(shown) < 120 and len(caret) < 120
    assert shown[caret.index("^") :].startswith("HERE")
    assert caret.endswith("^^^^")


def test_quoted_is_short_and_harmless() -> None:
    assert quoted("a\x1bb") == '"a\ufffdb"'
    assert quoted("x" * 1000) == '"' + "x" * 60 + '..."'


def test_lines() -> None:
    file = parse("FROM a\nRUN b\n")
    for each in (file, file.replace(lines=())):
        assert [each.line(n) for n in (0, 1, 2, 3, 9)] == ["", "FROM a", "RUN b", "", ""]


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("RUM", "RUN"),
        ("FORM", "FROM"),
        ("run", "RUN"),
        ("CPY", "COPY"),
        ("XYZZY", ""),
        ("R" * 999, ""),
        ("", ""),
    ],
)
def test_suggestions(word: str, near: str) -> None:
    assert suggestion(word, ("RUN", "FROM", "COPY", "ENTRYPOINT")) == near


def test_errors_about_a_node_or_a_word() -> None:
    file = parse("FROM x\nCOPY here \\\n  there /\n", "app/Dockerfile")
    copy = file.stages[0].instructions[0]
    assert isinstance(copy, nodes.Copy)
    whole = error_at(file, copy, "no", hint="do")
    assert isinstance(whole, Invalid)
    assert (whole.path, whole.line, whole.column, whole.hint) == ("app/Dockerfile", 2, 1, "do")
    assert whole.message == "app/Dockerfile:2:1: no\n    2 | COPY here \\\n      | ^^^^"
    word = describe_at(file, copy, "missing", word=copy.sources[1])
    assert word == "app/Dockerfile:3:3: missing\n    3 |   there /\n      |   ^^^^^"
