"""Instructions: one function for each turns a Statement into its node, or raises DockerfileError."""

from __future__ import annotations

import re

from cowl.dockerfile import commands, nodes, transfers
from cowl.dockerfile.diagnostics import DockerfileError, quoted, suggestion
from cowl.dockerfile.nodes import Word
from cowl.dockerfile.statement import TEXT, Statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_NO_FLAGS: dict[str, str] = {}


def parse_instruction(statement: Statement) -> nodes.Instruction:
    """The node of one statement. Takes heredoc bodies off the lexer. Raises DockerfileError."""
    make = _MAKERS.get(statement.keyword.upper())
    if make is None:
        raise _unknown(statement)
    return make(statement)


def _unknown(statement: Statement) -> Exception:
    keyword = statement.keyword
    if not keyword:
        return statement.error("nothing follows the line continuation", hint="Remove the escape character.")
    near = suggestion(keyword, _MAKERS)
    hint = f"Did you mean {near}?" if near else "If it goes on from the line before, end that line with "
    return statement.error(
        f"unknown instruction: {quoted(keyword)[1:-1]}",
        hint=hint if near else f"{hint}{statement.escape}",
    )


def _from(statement: Statement) -> nodes.From:
    words = statement.fields()
    if not words:
        raise statement.error(
            "FROM needs an image", hint='Write "FROM image:tag", or "FROM scratch" for none.'
        )
    if len(words) == 3 and words[1].lower() == "as":
        alias = words[2].with_text(words[2].lower())
        if not _STAGE_NAME.fullmatch(alias):
            raise statement.error(
                f"{quoted(words[2])} can't be the name of a stage",
                words[2],
                hint="A name starts with a letter; letters, digits, '-', '_' and '.' follow.",
            )
    elif len(words) == 1:
        alias = Word("")
    else:
        raise _bad_from(statement, words)
    flags = statement.flags({"platform": TEXT})
    return nodes.From(
        statement.source, statement.raw, image=words[0], alias=alias, platform=flags.text("platform")
    )


def _bad_from(statement: Statement, words: list[Word]) -> Exception:
    hint = 'Write "FROM image" or "FROM image AS name".'
    if any(word.startswith("#") for word in words[1:]):
        hint = "A # starts a comment only at the beginning of a line: move the comment to its own line."
    elif len(words) == 2 and words[1].lower() == "as":
        hint = "The name of the stage is missing after AS."
    return statement.error(f"FROM can't make sense of {quoted(words[1])}", words[1], hint=hint)


def _arg(statement: Statement) -> nodes.Arg:
    statement.ignore_flags()
    found = statement.shell_words()
    if not found:
        raise statement.error("ARG needs a name", hint='Write "ARG NAME" or "ARG NAME=default".')
    declared = []
    for at, text in found:
        name, equals, value = text.partition("=")
        if not name:
            raise statement.error("ARG names can't be blank", statement.word(at, text))
        default = statement.word(at + len(name) + 1, value) if equals else None
        declared.append(nodes.ArgDeclaration(statement.word(at, name), default))
    return nodes.Arg(statement.source, statement.raw, tuple(declared))


def _env(statement: Statement) -> nodes.Env:
    return nodes.Env(statement.source, statement.raw, _pairs(statement))


def _label(statement: Statement) -> nodes.Label:
    return nodes.Label(statement.source, statement.raw, _pairs(statement))


def _pairs(statement: Statement) -> tuple[nodes.KeyValue, ...]:
    """`k=v k=v ...`, or the old `k v` when the first word has no equals sign."""
    keyword = statement.keyword.upper()
    statement.flags(_NO_FLAGS)
    words = statement.shell_words()
    if not words:
        raise statement.error(f"{keyword} needs a name and a value", hint=f"Write {keyword} name=value.")
    if "=" not in words[0][1]:
        return (_old_pair(statement),)
    pairs = []
    for at, text in words:
        key, equals, value = text.partition("=")
        if not equals:
            raise statement.error(
                f"{keyword} wants name=value, and {quoted(text)} has no =",
                statement.word(at, text),
                hint="A value with blanks needs quotes around it.",
            )
        if not key:
            raise statement.error(f"{keyword} names can't be blank", statement.word(at, text))
        pairs.append(nodes.KeyValue(statement.word(at, key), statement.word(at + len(key) + 1, value)))
    return tuple(pairs)


def _old_pair(statement: Statement) -> nodes.KeyValue:
    fields = statement.fields()
    if len(fields) < 2:
        keyword = statement.keyword.upper()
        raise statement.error(
            f"{keyword} {quoted(fields[0])} has no value", fields[0], hint=f"Write {keyword} name=value."
        )
    key = re.match("[^\t\v\f\r ]+[\t\v\f\r ]+", statement.arguments)
    at = key.end() if key else 0
    return nodes.KeyValue(fields[0], statement.word(at, statement.arguments[at:]), legacy=True)


def _expose(statement: Statement) -> nodes.Expose:
    statement.flags(_NO_FLAGS)
    ports = statement.fields()
    if not ports:
        raise statement.error("EXPOSE needs a port", hint="Write EXPOSE 80 or EXPOSE 53/udp.")
    return nodes.Expose(statement.source, statement.raw, tuple(ports))


def _volume(statement: Statement) -> nodes.Volume:
    statement.flags(_NO_FLAGS)
    found = statement.json()
    paths = statement.fields() if found is None else list(found)
    if not paths:
        raise statement.error("VOLUME needs a path")
    for path in paths:
        if not path.strip():
            raise statement.error("a VOLUME path can't be empty", path)
    return nodes.Volume(
        statement.source, statement.raw, tuple(path.with_text(path.strip()) for path in paths)
    )


def _single(statement: Statement, what: str) -> Word:
    statement.flags(_NO_FLAGS)
    if not statement.arguments:
        raise statement.error(f"{statement.keyword.upper()} needs {what}")
    return statement.whole()


def _maintainer(statement: Statement) -> nodes.Maintainer:
    return nodes.Maintainer(statement.source, statement.raw, _single(statement, "a name"))


def _user(statement: Statement) -> nodes.User:
    return nodes.User(statement.source, statement.raw, _single(statement, "a user"))


def _workdir(statement: Statement) -> nodes.Workdir:
    return nodes.Workdir(statement.source, statement.raw, _single(statement, "a path"))


def _stopsignal(statement: Statement) -> nodes.StopSignal:
    statement.ignore_flags()
    if not statement.arguments:
        raise statement.error("STOPSIGNAL needs a signal", hint="Write STOPSIGNAL SIGTERM or a number.")
    return nodes.StopSignal(statement.source, statement.raw, statement.whole())


def _trigger(inner: Statement) -> nodes.Instruction | None:
    """The instruction of an ONBUILD. Docker does not look into it before it is carried out, so warn only."""
    try:
        return parse_instruction(inner)
    except DockerfileError as error:
        hint = f"{error.hint} Builds on this image will fail.".strip()
        place = error.line, error.column
        inner.lexer.warn("CowlBrokenTrigger", error.reason, *place, length=error.length, hint=hint)
        return None


def _onbuild(statement: Statement) -> nodes.Onbuild:
    statement.flags(_NO_FLAGS)
    if not statement.arguments:
        raise statement.error("ONBUILD needs an instruction")
    inner = Statement(statement.lexer, statement.line, statement.start)
    if inner.keyword.upper() in ("ONBUILD", "FROM", "MAINTAINER"):
        raise statement.error(f"{inner.keyword.upper()} can't stand in an ONBUILD", inner.keyword_word)
    node = _trigger(inner)
    trigger = statement.line.text[statement.start :]  # Docker keeps blanks at the end
    for heredoc in getattr(node, "heredocs", ()):
        trigger += f"\n{heredoc.content}{heredoc.name}"
    return nodes.Onbuild(statement.source, statement.raw, trigger, node)


_MAKERS: dict[str, Callable[[Statement], nodes.Instruction]] = {
    "FROM": _from,
    "RUN": commands.parse_run,
    "COPY": transfers.parse_copy,
    "ADD": transfers.parse_add,
    "ENV": _env,
    "ARG": _arg,
    "LABEL": _label,
    "WORKDIR": _workdir,
    "CMD": commands.parse_cmd,
    "ENTRYPOINT": commands.parse_entrypoint,
    "EXPOSE": _expose,
    "USER": _user,
    "VOLUME": _volume,
    "SHELL": commands.parse_shell,
    "STOPSIGNAL": _stopsignal,
    "HEALTHCHECK": commands.parse_healthcheck,
    "ONBUILD": _onbuild,
    "MAINTAINER": _maintainer,
}
