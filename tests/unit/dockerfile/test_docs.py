"""docs/dockerfile.md: every test that it names is there, and it names every instruction, flag and rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cowl.dockerfile import nodes
from cowl.dockerfile.checks.rules import BUILDKIT, own_rules
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.parser import parse

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "dockerfile.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", TEXT)))


@pytest.mark.parametrize("named", NAMED)
def test_the_named_test_is_there(named: str) -> None:
    path, _, function = named.partition("::")
    place = ROOT / path
    if place.is_dir():
        assert list(place.glob("expected.*")), f"{path} expects nothing"
    else:
        assert not function or f"\ndef {function}(" in place.read_text()


def test_every_row_names_a_test() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and "| test |" not in line]
    assert [row for row in rows if "`tests/" not in row] == []


def test_every_instruction_has_rows() -> None:
    classes = (*nodes.Instruction.__subclasses__(), nodes.Copy, nodes.Add)
    keywords = {str(vars(each)["keyword"]) for each in classes if "keyword" in vars(each)}
    assert keywords == set(re.findall(r"^\| ([A-Z]+) \|", TEXT, re.MULTILINE))


@pytest.mark.parametrize("keyword", ["FROM", "RUN", "COPY", "ADD", "HEALTHCHECK"])
def test_every_flag_has_a_row(keyword: str) -> None:
    """The parser names the flags it knows when it meets one that it does not."""
    first = "" if keyword == "FROM" else "FROM a\n"
    rest = "CMD x" if keyword == "HEALTHCHECK" else "a" if keyword == "FROM" else "a b"
    with pytest.raises(DockerfileError) as caught:
        parse(f"{first}{keyword} --this-is-no-flag-at-all=x {rest}")
    known = re.findall(r"--[a-z-]+", caught.value.hint)
    rows = "\n".join(line for line in TEXT.splitlines() if line.startswith(f"| {keyword} "))
    assert known and [flag for flag in known if flag not in rows] == []


def test_every_rule_has_a_row() -> None:
    rows = "\n".join(line for line in TEXT.splitlines() if line.startswith("| ") and "check-" in line)
    assert [rule.name for rule in (*BUILDKIT, *own_rules()) if rule.name not in rows] == []
