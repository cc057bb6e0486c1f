"""Environments, labels, filters."""

from __future__ import annotations

from pathlib import Path

import pytest

from cowl.cli import filters
from cowl.cli.build import _build_args
from cowl.cli.pairs import InvalidEnvironment, environment, pairs


def test_labels() -> None:
    assert pairs(["a=1", "b", "c=x=y", "a=2"]) == {"a": "2", "b": "", "c": "x=y"}


def test_environment_words() -> None:
    host = {"HOME": "/root", "EMPTY": ""}
    assert environment(["A=1", "HOME", "NOPE", "EMPTY", "B="], [], host) == [
        "A=1",
        "HOME=/root",
        "EMPTY=",
        "B=",
    ]


def test_environment_files_come_first(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes(b"\xef\xbb\xbfA=1\n# comment\n\n  B=two words # kept\nHOME\nNOPE\n")
    assert environment(["A=2"], [str(file)], {"HOME": "/h"}) == [
        "A=1",
        "B=two words # kept",
        "HOME=/h",
        "A=2",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"=x\n", "no variable name"), (b"A B=1\n", "white space"), (b"A=\xff\n", "not UTF-8")],
)
def test_bad_environment_files(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "env"
    file.write_bytes(content)
    with pytest.raises(InvalidEnvironment, match=message):
        environment([], [str(file)], {})


def test_a_variable_needs_a_name() -> None:
    with pytest.raises(InvalidEnvironment):
        environment(["=1"], [], {})


def test_build_args_take_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY", "here")
    monkeypatch.delenv("ABSENT", raising=False)
    assert _build_args(("A=1", "PROXY", "ABSENT", "B=")) == {"A": "1", "PROXY": "here", "B": ""}


def test_filters_by_key() -> None:
    found = filters.parse(["label=a", "label=b=c", "dangling=true"], ("dangling", "label"))
    assert found == {"label": ["a", "b=c"], "dangling": ["true"]}


@pytest.mark.parametrize("word", ["nope=1", "dangling", ""])
def test_bad_filters(word: str) -> None:
    with pytest.raises(filters.InvalidFilter):
        filters.parse([word], ("dangling",))


@pytest.mark.parametrize(("values", "expected"), [(["true"], True), (["0"], False), (["1", "true"], True)])
def test_boolean_filters(values: list[str], expected: bool) -> None:
    assert filters.boolean(values) is expected


def test_bad_boolean_filters() -> None:
    for values in (["maybe"], ["true", "false"]):
        with pytest.raises(filters.InvalidFilter):
            filters.boolean(values)


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("node", "node", True),
        ("no*", "node", True),
        ("*", "user/app", False),
        ("*/*", "user/app", True),
        ("nod?:1[0-9]", "node:14", True),
        ("node.js", "nodexjs", False),
        ("[", "[", True),
    ],
)
def test_patterns_are_gos(glob: str, text: str, expected: bool) -> None:
    assert bool(filters.pattern(glob).match(text)) is expected


def test_labels_match() -> None:
    labels = {"a": "1", "b": ""}
    assert filters.labels_match(["a", "a=1", "b="], labels)
    assert not filters.labels_match(["a=2"], labels)
    assert not filters.labels_match(["c"], labels)
