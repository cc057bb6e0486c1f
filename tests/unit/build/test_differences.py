"""Differences in words: also of inputs that nobody here has heard of."""

from __future__ import annotations

from typing import Any

import pytest

from cowl.build.differences import below_differences, input_differences

BASE: dict[str, Any] = {
    "generation": 1,
    "below": "b",
    "base": "b",
    "image": "node:14",
    "platform": "linux/amd64",
    "arguments": ["A"],
    "parts": {},
}


def texts(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [each.text for each in input_differences({**BASE, "parts": old}, {**BASE, "parts": new})]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({}, {"fancy": "x"}, ["fancy none -> x"]),
        ({"fancy": 1}, {"fancy": 2}, ["fancy 1 -> 2"]),
        ({"fancy": ["a"]}, {"fancy": ["b"]}, ["fancy changed"]),
        ({"mounts": {"a": 1}}, {}, ["mounts changed"]),
        ({"mode": None}, {"mode": 0o755}, ["--chmod none -> 755"]),
        ({"env": ["A=1", "B=1"]}, {"env": ["A=2", "B=2"]}, ["ARG A 1 -> 2", "ENV B 1 -> 2"]),
        ({"env": ["A=1"]}, {"env": []}, ["ARG A removed"]),
        ({"env": ["B="]}, {"env": ["B=a b"]}, ['ENV B "" -> "a b"']),
        ({"args": ["/bin/sh", "-c", "x"], "shell": ["/bin/sh", "-c"]}, {"args": ["x"]}, ["command changed"]),
        ({"x": "a" * 70}, {"x": "a" * 71}, ["x changed"]),
    ],
)
def test_inputs(old: dict[str, Any], new: dict[str, Any], said: list[str]) -> None:
    assert texts(old, new) == said
    assert texts(old, old) == texts(new, new) == []


@pytest.mark.parametrize(
    ("change", "above", "said"),
    [
        ({}, True, []),
        ({"below": "c"}, True, ["step above"]),
        ({"below": "c"}, False, ["other steps above"]),
        ({"below": "c", "base": "c"}, False, ["base image changed"]),
        ({"below": "c", "base": "c", "image": "node:16"}, False, ["base image node:14 -> node:16"]),
        ({"below": "c", "base": "c", "image": ""}, False, ["base image node:14 -> scratch"]),
        (
            {"below": "c", "base": "c", "platform": "linux/arm64"},
            False,
            ["platform linux/amd64 -> linux/arm64"],
        ),
    ],
)
def test_what_lies_below(change: dict[str, Any], above: bool, said: list[str]) -> None:
    assert [each.text for each in below_differences(BASE, {**BASE, **change}, above)] == said
