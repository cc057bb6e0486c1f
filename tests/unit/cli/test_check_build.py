"""`build --check`: the three formats and the exit status."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cowl import Finding
from cowl.cli.check_build import UnsupportedCall, check_format, sarif, show

FOUND = Finding(
    rule="StageNameCasing",
    message="Stage name 'A' should be lowercase",
    path="Dockerfile",
    line=3,
    column=11,
    last_line=4,
    length=1,
    excerpt="    3 | FROM x AS A\n      |           ^",
    fix="Write a.",
    description="Stage names should be lowercase",
    url="https://docs.docker.com/go/dockerfile/rule/stage-name-casing/",
)
BROKEN = Finding("", "there is no FROM in this file", "/x y/Dockerfile", 1, 1, 1, severity="error")


@pytest.mark.parametrize(
    ("call", "check", "form"),
    [
        ("build", False, ""),
        ("build", True, "text"),
        ("check", False, "text"),
        ("lint", False, "text"),
        ("check,format=json", False, "json"),
        ("check,format=sarif", True, "sarif"),
    ],
)
def test_what_is_asked_for(call: str, check: bool, form: str) -> None:
    assert check_format(call, check) == form


@pytest.mark.parametrize(
    "call", ["outline", "targets", "check,format=xml", "check,form=json", "", "build,format=json"]
)
def test_what_is_refused(call: str) -> None:
    with pytest.raises(UnsupportedCall):
        check_format(call, False)


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert show((FOUND,), "text") == 1
    assert capsys.readouterr().out == (
        "WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/\n"
        "Stage names should be lowercase\n"
        "Dockerfile:3:11: Stage name 'A' should be lowercase\n"
        "    3 | FROM x AS A\n"
        "      |           ^\n"
        "fix: Write a.\n"
        "\n"
        "Check complete, 1 warning has been found!\n"
    )
    assert show((BROKEN, FOUND, FOUND), "text") == 1
    said = capsys.readouterr().out
    assert said.startswith("ERROR: the build would fail\n/x y/Dockerfile:1:1: there is no FROM")
    assert said.endswith("Check complete, 2 warnings have been found and 1 error!\n")


def test_nothing_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert show((), "text") == 0
    assert capsys.readouterr().out == "Check complete, no warnings found.\n"


def test_json_is_that_of_buildkit(capsys: pytest.CaptureFixture[str]) -> None:
    assert show((BROKEN, FOUND), "json") == 1
    document = json.loads(capsys.readouterr().out)
    (warning,) = document["warnings"]
    assert warning["ruleName"] == "StageNameCasing"
    assert warning["detail"] == FOUND.message
    assert [document["sources"][warning["location"]["sourceIndex"]]["fileName"]] == ["Dockerfile"]
    assert warning["location"]["ranges"] == [{"start": {"line": 3, "character": 10}, "end": {"line": 4}}]
    assert document["buildError"]["message"] == BROKEN.message
    assert show((), "json") == 0
    assert json.loads(capsys.readouterr().out) == {"warnings": [], "sources": []}


def test_sarif_has_what_the_schema_requires() -> None:
    document = json.loads(json.dumps(sarif((BROKEN, FOUND, FOUND))))
    _matches(document, SARIF)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["BuildError", "StageNameCasing"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    region = run["results"][1]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 11, "endLine": 3, "endColumn": 12}
    assert run["results"][0]["level"] == "error"
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "file:///x%20y/Dockerfile"
    _matches(sarif(()), SARIF)


# Of sarif-schema-2.1.0.json: required properties ("!"), types, enumerations and bounds of all that we write.
SARIF: dict[str, Any] = {
    "$schema": str,
    "!version": ("2.1.0",),
    "!runs": [
        {
            "!tool": {
                "!driver": {
                    "!name": str,
                    "version": str,
                    "rules": [{"!id": str, "shortDescription": {"!text": str}, "helpUri": str}],
                }
            },
            "columnKind": ("utf16CodeUnits", "unicodeCodePoints"),
            "results": [
                {
                    "!message": {"text": str},
                    "ruleId": str,
                    "ruleIndex": 0,
                    "level": ("none", "note", "warning", "error"),
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": str},
                                "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1},
                            }
                        }
                    ],
                }
            ],
        }
    ],
}


def _matches(value: Any, schema: Any) -> None:
    """A dict: properties; a list: items; a tuple: an enumeration; a number: the minimum of an integer."""
    if isinstance(schema, dict):
        known = {name.lstrip("!"): each for name, each in schema.items()}
        assert {name[1:] for name in schema if name.startswith("!")} <= set(value) <= set(known)
        for name, each in value.items():
            _matches(each, known[name])
    elif isinstance(schema, list):
        assert isinstance(value, list)
        for each in value:
            _matches(each, schema[0])
    elif isinstance(schema, tuple):
        assert value in schema
    elif isinstance(schema, int):
        assert isinstance(value, int) and value >= schema
    else:
        assert isinstance(value, schema)
