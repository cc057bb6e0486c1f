"""Commands: RUN, CMD, ENTRYPOINT, SHELL and HEALTHCHECK, in JSON or shell form."""

from __future__ import annotations

import re

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import quoted, suggestion
from cowl.dockerfile.duration import parse_duration
from cowl.dockerfile.heredoc import take_heredocs
from cowl.dockerfile.mounts import parse_mount
from cowl.dockerfile.nodes import Word
from cowl.dockerfile.statement import LIST, TEXT, Statement
from cowl.dockerfile.words import fields

_ONE_MILLISECOND = 10**6


def parse_run(statement: Statement) -> nodes.Run:
    flags = statement.flags({"mount": LIST, "network": TEXT, "security": TEXT, "device": LIST})
    command = _command(statement)
    if command == ():
        raise statement.error("RUN needs a command", statement.whole())
    if not command:
        statement.warn("CowlEmptyCommand", "RUN has no command: the shell is run with nothing to do")
    heredocs = take_heredocs(statement) if isinstance(command, str) else ()
    return nodes.Run(
        statement.source,
        statement.raw,
        command=command,
        heredocs=heredocs,
        mounts=tuple(parse_mount(statement, text) for text in flags.list("mount")),
        network=_one_of(statement, "network", flags.text("network"), ("default", "none", "host")),
        security=_one_of(statement, "security", flags.text("security"), ("sandbox", "insecure")),
        devices=flags.list("device"),
    )


def parse_cmd(statement: Statement) -> nodes.Cmd:
    return nodes.Cmd(statement.source, statement.raw, _default_command(statement))


def parse_entrypoint(statement: Statement) -> nodes.Entrypoint:
    return nodes.Entrypoint(statement.source, statement.raw, _default_command(statement) or ())


def parse_shell(statement: Statement) -> nodes.Shell:
    statement.flags({})
    found = statement.json() if statement.arguments else ()
    if found is None:
        raise statement.error(
            "SHELL must be a JSON array",
            statement.whole(),
            hint='Write it as SHELL ["/bin/bash", "-c"].',
        )
    if not found:
        raise statement.error("SHELL needs a command", hint='Write it as SHELL ["/bin/bash", "-c"].')
    return nodes.Shell(statement.source, statement.raw, tuple(map(str, found)))


def parse_healthcheck(statement: Statement) -> nodes.Healthcheck:
    words = statement.fields()
    if not words:
        raise statement.error(
            "HEALTHCHECK needs CMD or NONE", hint="Write HEALTHCHECK CMD command, or HEALTHCHECK NONE."
        )
    kind = words[0].upper()
    if kind == "NONE":
        statement.ignore_flags()
        if len(words) > 1:
            raise statement.error("HEALTHCHECK NONE takes no arguments", words[1])
        return nodes.Healthcheck(statement.source, statement.raw)
    times = ("interval", "timeout", "start-period", "start-interval")
    flags = statement.flags({**dict.fromkeys(times, TEXT), "retries": TEXT})
    if kind != "CMD":
        raise statement.error(
            f"HEALTHCHECK knows CMD and NONE, not {quoted(words[0])}", words[0], hint="Put CMD before it."
        )
    command = _command(statement, fields(statement.arguments)[1][0]) if len(words) > 1 else ""
    if not command:
        raise statement.error("HEALTHCHECK CMD needs a command", words[0])
    interval, timeout, start_period, start_interval = (
        _duration(statement, name, flags.text(name)) for name in times
    )
    return nodes.Healthcheck(
        statement.source,
        statement.raw,
        command=command,
        interval_ns=interval,
        timeout_ns=timeout,
        start_period_ns=start_period,
        start_interval_ns=start_interval,
        retries=_retries(statement, flags.text("retries")),
    )


def _one_of(statement: Statement, flag: str, value: Word, known: tuple[str, ...]) -> Word:
    if value and value not in known:
        near = suggestion(value, known)
        hint = f"Did you mean {near}?" if near else f"It is one of {', '.join(known)}."
        raise statement.error(f"--{flag} can't be {quoted(value)}", value, hint=hint)
    return value


def _command(statement: Statement, offset: int = 0) -> nodes.Command:
    found = statement.json(offset)
    return statement.arguments[offset:] if found is None else tuple(map(str, found))


def _default_command(statement: Statement) -> nodes.Command:
    statement.flags({})
    keyword = statement.keyword.upper()
    if not statement.arguments:
        hint = f"If it is meant to be cleared, write {keyword} []."
        statement.warn("CowlEmptyCommand", f"{keyword} has no command", hint=hint)
    return _command(statement)


def _duration(statement: Statement, flag: str, value: Word) -> int:
    try:
        duration = parse_duration(value) if value else 0
    except ValueError:
        raise statement.error(
            f"--{flag} is a time, not {quoted(value)}", value, hint="Write it as 30s, 1m30s or 500ms."
        ) from None
    if duration and duration < _ONE_MILLISECOND:
        raise statement.error(f"--{flag} can't be less than 1ms", value)
    return duration


def _retries(statement: Statement, value: Word) -> int:
    if not value:
        return 0
    if not re.fullmatch(r"\+?[0-9]{1,10}", value) or int(value) >= 2**31:
        raise statement.error(f"--retries is a number from 0 on, not {quoted(value)}", value)
    return int(value)
