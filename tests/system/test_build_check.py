"""Checks as users meet them: `build --check`, the summary of a build, check=error=true, the API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture
from tests.caller import Caller

import cowl
from cowl.build.check import ChecksFailed, check_dockerfile
from cowl.build.request import BuildRequest
from cowl.dockerfile.checks.options import BadCheckOption
from cowl.events import CheckWarned

builder = as_fixture()


def warned(builder: Builder) -> list[tuple[str, int]]:
    return [(event.rule, event.line) for event in builder.events if isinstance(event, CheckWarned)]


def checked(builder: Builder, dockerfile: str, **request: object) -> list[tuple[str, int]]:
    path = builder.context / "Dockerfile"
    path.write_text(dockerfile)
    found = check_dockerfile(BuildRequest(str(builder.context), **request), builder.store)  # type: ignore[arg-type]
    return [(each.rule, each.line) for each in found]


def test_a_build_tells_what_buildkit_would(builder: Builder) -> None:
    text = "FROM base AS A\nRUN true\nMAINTAINER me\nCMD exec true\n"
    builder.build(text)
    found = [("StageNameCasing", 1), ("MaintainerDeprecated", 3), ("JSONArgsRecommended", 4)]
    assert warned(builder) == found
    builder.build(text)
    assert warned(builder) == found  # cached or not


def test_only_the_stages_that_are_built_count(builder: Builder) -> None:
    text = "FROM base AS unused\nENV a b\nFROM base AS B\nLABEL c d\n"
    builder.build(text)
    assert warned(builder) == [("StageNameCasing", 3), ("LegacyKeyValueFormat", 4)]
    found = checked(builder, text)
    assert [each for each in found if not each[0].startswith("Cowl")] == [
        ("LegacyKeyValueFormat", 2),
        ("StageNameCasing", 3),
        ("LegacyKeyValueFormat", 4),
    ]


def test_findings_fail_a_build_that_says_so(builder: Builder) -> None:
    with pytest.raises(ChecksFailed, match="lint violation found for rules: MaintainerDeprecated") as caught:
        builder.build("# check=error=true\nFROM base\nMAINTAINER me\nRUN never\n")
    assert [each.line for each in caught.value.findings] == [3]
    assert "3 | MAINTAINER me" in caught.value.message
    builder.build("# check=skip=MaintainerDeprecated;error=true\nFROM base\nMAINTAINER me\n")


def test_the_build_argument_wins_over_the_directive(builder: Builder) -> None:
    text = "# check=error=true\nFROM base\nMAINTAINER me\n"
    builder.build(text, args={"BUILDKIT_DOCKERFILE_CHECK": "skip=all"})
    assert warned(builder) == []
    with pytest.raises(BadCheckOption, match="the build argument BUILDKIT_DOCKERFILE_CHECK"):
        builder.build(text, args={"BUILDKIT_DOCKERFILE_CHECK": "nonsense"})


def test_the_environment_of_a_base_is_known(builder: Builder, busybox_tar: Path) -> None:
    builder.add_base(busybox_tar, "rich", env=("PATH=/bin", "VERSION=1"), shell=("/bin/sh", "-c"))
    text = "FROM rich\nENV A=$VERSION B=$PATH C=$OTHER\nCMD run\n"
    assert [each for each in checked(builder, text) if each[0] != "CowlUnpinnedBase"] == [("UndefinedVar", 2)]
    assert ("UndefinedVar", 2) not in checked(builder, "FROM elsewhere:1\nENV A=$OTHER\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [("FROM base\nRUNN x\n", 2), ("", 1), ("ARG NONE\nFROM $NONE\n", 2)],
)
def test_what_can_not_be_built_is_a_finding(builder: Builder, text: str, line: int) -> None:
    assert ("", line) in checked(builder, text)


def test_an_unknown_target_is_a_finding(builder: Builder) -> None:
    assert ("", 1) in checked(builder, "FROM base:1 AS a\n", target="b")


def test_a_bad_dockerignore_is_a_finding(builder: Builder) -> None:
    builder.file(".dockerignore", "a\n[\n")
    assert checked(builder, "FROM base:1\n") == [("", 2)]


def test_the_command_line(caller: Caller) -> None:
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch AS A\nCOPY a # b\n")
    caller.give(context)
    done = caller.cowl("build", "--check", str(context), status=1)
    assert b"WARNING: StageNameCasing" in done.stdout and b"WARNING: CowlCommentAfterCopy" not in done.stdout
    assert done.stdout.endswith(b"Check complete, 1 warning has been found!\n")
    document = json.loads(caller.cowl("build", "--call=check,format=sarif", str(context), status=1).stdout)
    assert document["runs"][0]["results"][0]["ruleId"] == "StageNameCasing"
    assert caller.text(
        "build", "--check", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all", str(context)
    ) == ("Check complete, no warnings found.")
    done = caller.cowl("build", "--call=outline", str(context), status=1)
    assert b"--call=outline is not supported" in done.stderr


def test_the_summary_of_a_build(caller: Caller) -> None:
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch AS A\nLABEL a b\n")
    caller.give(context)
    said = caller.cowl("build", "--progress=plain", str(context)).stderr.decode()
    assert said.endswith(
        " 2 warnings found (use build --check to expand):\n"
        " - StageNameCasing: Stage name 'A' should be lowercase (line 1)\n"
        ' - LegacyKeyValueFormat: "LABEL key=value" should be used instead of legacy "LABEL key value" '
        "format (line 2)\n"
    )
    assert b"warning" not in caller.cowl("build", "-q", str(context)).stderr


def test_the_library(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nENV A b\n")
    with cowl.Engine(tmp_path / "store") as engine:
        (found,) = engine.check_dockerfile(tmp_path)
    assert (found.rule, found.line, found.column, found.severity) == ("LegacyKeyValueFormat", 2, 1, "warning")
    assert found.fix == "Write ENV A=b"
