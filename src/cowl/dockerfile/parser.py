"""Parser: the text of a Dockerfile to its AST. Pure: reads no file, runs nothing, knows no context."""

from __future__ import annotations

import re

from cowl.dockerfile.instructions import parse_instruction
from cowl.dockerfile.lexer import Lexer
from cowl.dockerfile.nodes import Arg, Dockerfile, From, Instruction, Stage
from cowl.dockerfile.statement import Statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.dockerfile.lexer import LogicalLine

_UNFIT = re.compile("[\0\ud800-\udfff]")


def parse(text: str | bytes, path: str = "Dockerfile") -> Dockerfile:
    """The AST of a Dockerfile; `path` only names it in messages.

    Bytes are taken as UTF-8; bytes that are not are let pass in comments and refused elsewhere. Raises
    DockerfileError, with the place, for the first thing that Docker would refuse. What is only odd is
    in `warnings`. Time and space are linear in the text.
    """
    lexer = Lexer(_decoded(text), path)
    global_args: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for node in _instructions(lexer):
        if isinstance(node, From):
            stages.append((node, []))
        elif stages:
            stages[-1][1].append(node)
        elif isinstance(node, Arg):
            global_args.append(node)
        else:
            raise lexer.error(
                f"{node.keyword} can't stand before the first FROM",
                node.source.first_line,
                node.source.column,
                length=len(node.keyword),
                hint='Start with "FROM image" (or "FROM scratch"); only ARG may come before it.',
            )
    if not stages:
        raise _without_stages(lexer, global_args)
    return Dockerfile(
        path=path,
        text=lexer.text,
        directives=lexer.directives,
        global_args=tuple(global_args),
        stages=tuple(
            Stage(index, str(base.alias), base, tuple(rest)) for index, (base, rest) in enumerate(stages)
        ),
        warnings=tuple(lexer.warnings),
        lines=tuple(lexer.lines),
    )


def parse_fragment(text: str, path: str, escape: str = "\\") -> tuple[Instruction, ...]:
    """Instructions without a FROM: the ONBUILD triggers of a base image, the changes of import and commit.

    Raises DockerfileError, for a FROM or ONBUILD in it too.
    """
    lexer = Lexer(_decoded(text), path, escape)
    nodes = tuple(_instructions(lexer))
    for node in nodes:
        if node.keyword in ("FROM", "ONBUILD"):
            source = node.source
            raise lexer.error(
                f"{node.keyword} can't stand here", source.first_line, source.column, length=len(node.keyword)
            )
    return nodes


def _instructions(lexer: Lexer) -> list[Instruction]:
    nodes = []
    unfit = _UNFIT.search(lexer.text) is not None
    while line := lexer.read():
        if unfit:
            _check_characters(lexer, line)
        nodes.append(parse_instruction(Statement(lexer, line)))
    return nodes


def _decoded(text: str | bytes) -> str:
    return text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text


def _check_characters(lexer: Lexer, line: LogicalLine) -> None:
    bad = _UNFIT.search(line.text)
    if not bad:
        return
    at, column = line.place(bad.start())
    if bad[0] == "\0":
        raise lexer.error("a NUL byte can't stand in an instruction", at, column)
    raise lexer.error(
        f"byte 0x{ord(bad[0]) & 0xFF:02x} is not UTF-8", at, column, hint="Save the file as UTF-8."
    )


def _without_stages(lexer: Lexer, global_args: list[Arg]) -> Exception:
    hint = 'Start with "FROM image", or "FROM scratch" for an empty one.'
    if global_args:
        return lexer.error("there is no FROM in this file", len(lexer.lines), 1, hint=hint)
    return lexer.error("this file has no instructions", max(1, len(lexer.lines)), 1, hint=hint)
