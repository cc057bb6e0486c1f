"""The simple commands of a RUN."""

from __future__ import annotations

import pytest

from cowl.dockerfile import nodes
from cowl.dockerfile.checks.commands import simple_commands
from cowl.dockerfile.parser import parse


def commands(run: str) -> list[str]:
    node = parse(f"FROM a\n{run}\n").stages[0].instructions[0]
    assert isinstance(node, nodes.Run)
    return ["|".join(words) for words in simple_commands(node)]


@pytest.mark.parametrize(
    ("run", "found"),
    [
        ("RUN a b  c", ["a|b|c"]),
        ("RUN a && b || c; d | e & f", ["a", "b", "c", "d", "e", "f"]),
        ("RUN A=1 B='2 3' a C=4", ["a|C=4"]),
        ('RUN a \'b c\' "d\\"e" f\\ g', ['a|b c|d"e|f g']),
        ("RUN if a; then b; else c; fi", ["a", "b", "c", "fi"]),
        ("RUN a # no b && c", ["a"]),
        ("RUN a#b", ["a#b"]),
        ('RUN ["a", "b && c"]', ["a|b && c"]),
        ("RUN <<EOF\na b\nc && d\nEOF", ["<<EOF", "a|b", "c", "d"]),
        ("RUN <<EOF\n#!/usr/bin/python3\nimport x\nEOF", ["<<EOF"]),
        ("RUN 'never closed", ["never|closed"]),
    ],
)
def test_commands(run: str, found: list[str]) -> None:
    assert commands(run) == found


def test_a_long_line_of_quotes_takes_no_time() -> None:
    assert len(commands("RUN " + "'\" " * 100_000 + "a")) <= 1
