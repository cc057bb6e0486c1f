"""cowl history: which row made a layer, why not if not, and who shares it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture
from tests.caller import Caller

import cowl

builder = as_fixture()


def told(builder: Builder, name: str) -> list[tuple[str, int, str]]:
    """(keyword, line, why not) of what was built on the base, oldest first."""
    with cowl.Engine(config=builder.config) as engine:
        rows = engine.history(name)[::-1][1:]
    return [(row.instruction.partition(" ")[0], row.line, row.why_not) for row in rows]


def test_why_a_row_has_no_layer(builder: Builder) -> None:
    builder.file("a", "x")
    record = builder.build(
        "FROM base\nENV A=b\nWORKDIR /tmp\nWORKDIR /new\n\nRUN true\nCOPY a /a\nARG X\nCMD sh\n"
    ).record
    assert told(builder, record.id) == [
        ("ENV", 0, "configuration only"),
        ("WORKDIR", 0, "the directory was there"),
        ("WORKDIR", 4, ""),
        ("RUN", 6, ""),
        ("COPY", 7, ""),
        ("ARG", 0, "configuration only"),
        ("CMD", 0, "configuration only"),
    ]


def test_lines_follow_the_dockerfile_though_the_image_stays_the_same(builder: Builder) -> None:
    one = builder.build("FROM base\nRUN echo x > /x\n")
    two = builder.build("# moved\n\nFROM base\n\nRUN echo x > /x\n")
    assert one.record.id == two.record.id
    assert two.misses == []
    assert told(builder, one.record.id) == [("RUN", 5, "")]
    base = builder.build("FROM base\n").record
    assert builder.build(f"FROM {base.id}\n").record.id == base.id


def test_squashed_rows_say_so(builder: Builder) -> None:
    text = "FROM base\nRUN echo x > /x\nENV A=b\nRUN rm /x\nRUN echo y > /y\n"
    record = builder.build(text, squash_from=3).record
    assert told(builder, record.id) == [
        ("RUN", 2, ""),
        ("ENV", 0, "configuration only"),
        ("RUN", 0, "squashed into a later layer"),
        ("RUN", 0, "squashed into a later layer"),
        ("", 0, ""),
    ]


def test_a_line_of_a_trigger_is_not_one_of_this_dockerfile(builder: Builder) -> None:
    builder.build("FROM base\nONBUILD RUN echo x > /x\n", tags=("parent",))
    record = builder.build("FROM parent\nRUN echo y > /y\n").record
    lines = [(keyword, line) for keyword, line, why in told(builder, record.id) if not why]
    assert lines == [("RUN", 0), ("RUN", 2)]


@pytest.fixture
def shared(caller: Caller, busybox_tar: Path) -> Caller:
    """Images one, two and three on a base; two containers of one."""
    caller.cowl("import", str(busybox_tar), "base")
    for name, text in (
        ("one", "FROM base\nRUN echo 1 > /1\nENV A=b\n"),
        ("two", "FROM one\nRUN echo 2 > /2\n"),
        ("three", "FROM base\nRUN echo 3 > /3\n"),
    ):
        project = caller.home / name
        project.mkdir()
        (project / "Dockerfile").write_text(text)
        caller.give(project)
        caller.cowl("build", "-t", name, str(project))
    for name in ("box1", "box2"):
        caller.cowl("run", "--name", name, "one", "true")
    return caller


def test_who_shares_a_layer(shared: Caller) -> None:
    rows = [json.loads(line) for line in shared.text("history", "--format", "json", "one").splitlines()]
    assert [(row["SharedBy"], row["Containers"], row["Line"]) for row in rows] == [
        ("", "0", ""),
        ("two:latest", "2", "2"),
        ("base:latest,three:latest,two:latest", "2", ""),
    ]
    assert [row["Instruction"] for row in rows[:2]] == ["ENV A=b", "RUN echo 1 > /1"]
    lines = shared.text("history", "--layers", "one").splitlines()
    assert [" ".join(line.split()[-8:]) for line in lines[1:3]] == [
        "0B configuration only - ENV A=b",
        "2 containers 2 RUN echo 1 > /1",
    ]
    assert lines[3].endswith("3 images, 2 containers          -")
    assert max(map(len, lines)) <= 80
    header = shared.text("history", "one").splitlines()[0].split()
    assert header == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]


def test_layers_fit_80_columns_beside_images_containers_and_snapshots(shared: Caller) -> None:
    (box, *_) = shared.text("ps", "-aq").splitlines()
    shared.cowl("snapshot", "create", box)
    shared.cowl("tag", "three", "four")
    shared.cowl("commit", box, "five")
    lines = shared.text("history", "--layers", "one").splitlines()
    assert "4 images, 2 containers, 1 snapshot" in lines[-1]
    assert max(map(len, lines)) <= 80
