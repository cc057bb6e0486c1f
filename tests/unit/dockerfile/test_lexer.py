"""Lines: comments, continuations, directives, line ends, and the whole file's shape."""

from __future__ import annotations

import os

import pytest

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.parser import parse


def _commands(text: str) -> list[str]:
    return [str(getattr(node, "command", node.raw)) for node in parse(text).stages[0].instructions]


CONTINUED = [
    ("RUN a \\\n  b", ["a   b"]),
    ("RUN a\\\nb", ["ab"]),
    ("RUN a \\ \t\n  b", ["a   b"]),
    ("RUN a \\\r\n  b\r\n", ["a   b"]),
    ("RUN a \\\n# gone\n   # gone too\n  b", ["a   b"]),
    ("RUN a \\\n\n \t\n  b", ["a   b"]),
    ("RUN a \\\\\nRUN b", ["a \\\\", "b"]),
    ("RUN a \\", ["a"]),
    ("RUN a \\\n", ["a"]),
    ("\\\nRUN a", ["a"]),
    ("RUN a \\\n# b \\\nc", ["a c"]),
    ("# x \\\nRUN a", ["a"]),
    ("RUN a # b \\\n c", ["a # b  c"]),
    ("  # x\n\t\n  RUN a", ["a"]),
]


@pytest.mark.parametrize(("text", "commands"), CONTINUED)
def test_logical_lines(text: str, commands: list[str]) -> None:
    assert _commands(f"FROM x\n{text}") == commands


def test_backquote_continues_when_it_is_the_escape() -> None:
    assert _commands("#escape = `\nFROM x\nRUN a `\n b\nRUN c:\\\nRUN d") == ["a  b", "c:\\", "d"]


def test_only_one_blank_continuation_warning_an_instruction() -> None:
    file = parse("FROM x\nRUN a \\\n\n\n b\nRUN c \\\n\n d\n")
    assert [(warning.line, warning.column) for warning in file.warnings] == [(3, 1), (7, 1)]


DIRECTIVES = [
    ("# escape=`\n", nodes.Directives(escape="`")),
    ("#EsCaPe=`\n", nodes.Directives(escape="`")),
    ("# syntax=docker/dockerfile:1\n# check=skip=all;error=true\n# escape=\\\n",
     nodes.Directives(syntax="docker/dockerfile:1", check="skip=all;error=true")),
    ("  # escape = `  \n", nodes.Directives(escape="`")),
    ("\ufeff# escape=`\n", nodes.Directives(escape="`")),
    ("# escape=`\r\n", nodes.Directives(escape="`")),
    ("\n# escape=`\n", nodes.Directives()),
    ("# a comment\n# escape=`\n", nodes.Directives()),
    ("# unknown=1\n# escape=`\n", nodes.Directives()),
    ("#!/usr/bin/env docker\n# escape=`\n", nodes.Directives()),
    ("ARG A\n# escape=`\n", nodes.Directives()),
    ("# syntax=\n# escape=`\n", nodes.Directives()),
]  # fmt: skip


@pytest.mark.parametrize(("head", "directives"), DIRECTIVES)
def test_directives(head: str, directives: nodes.Directives) -> None:
    assert parse(f"{head}FROM x\n").directives == directives


def test_stages_and_global_arguments() -> None:
    file = parse("ARG A=1\nFROM a AS one\nRUN 1\nFROM one\nARG A\nFROM b AS two\n", "sub/Dockerfile")
    assert [argument.arguments[0].name for argument in file.global_args] == ["A"]
    assert [(stage.index, stage.name, stage.base.image) for stage in file.stages] == [
        (0, "one", "a"),
        (1, "", "one"),
        (2, "two", "b"),
    ]
    assert [node.keyword for node in file.instructions] == ["ARG", "FROM", "RUN", "FROM", "ARG", "FROM"]
    assert {node.source.path for node in file.instructions} == {"sub/Dockerfile"}


def test_bytes_that_are_not_utf8_pass_in_comments_only() -> None:
    assert len(parse(b"# caf\xe9\nFROM x\nRUN a \\\n# \xe9\n b\n").stages) == 1
    with pytest.raises(DockerfileError, match="0xe9") as caught:
        parse(b"FROM x\nRUN a \\\n  \xe9\n")
    assert (caught.value.line, caught.value.column) == (3, 3)


def test_a_long_line_and_many_lines() -> None:
    assert len(_commands("FROM x\nRUN " + "a" * 10_000_000)[0]) == 10_000_000
    assert len(parse("FROM x\n" + "RUN true \\\n  && false\n" * 50_000).instructions) == 50_001


def test_the_seed() -> None:
    path = os.path.join(os.path.dirname(__file__), "../../../examples/seed/Dockerfile")
    with open(path, "rb") as source:
        file = parse(source.read())
    base, workdir, label, env, copy, run = file.instructions
    assert isinstance(base, nodes.From) and base.image == "node:14.16.1-alpine3.13"
    assert isinstance(workdir, nodes.Workdir) and workdir.path == "/app"
    assert isinstance(label, nodes.Label) and label.pairs[0].value == '"xxx"'
    assert isinstance(env, nodes.Env) and env.pairs[0].key == "BUILD_ENV"
    assert isinstance(copy, nodes.Copy) and copy.sources == ("./hello.txt", "./", "#", "echo", "test", ">")
    assert isinstance(run, nodes.Run) and run.command == "echo aaaaaaaaabbbbbbbbbb>>hello.txt"
    assert [node.source.first_line for node in file.instructions] == [1, 2, 4, 5, 8, 10]
    assert file.warnings == ()


def test_an_instruction_after_a_bare_continuation_line() -> None:
    run = parse("FROM x\n \\\n  RUN a\n").stages[0].instructions[0]
    assert (run.raw, run.source.first_line, run.source.column) == ("RUN a", 3, 3)
