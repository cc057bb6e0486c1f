"""Mounts: the value of one `RUN --mount=` cut into its options, keys and type checked."""

from __future__ import annotations

import re

from cowl.dockerfile.diagnostics import quoted, suggestion
from cowl.dockerfile.nodes import Mount, Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.dockerfile.statement import Statement

_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SWITCHES = ("readonly", "ro", "readwrite", "rw", "required")
_KEYS = (
    *("type", "from", "source", "src", "target", "dst", "destination", "size", "id", "sharing"),
    *("mode", "uid", "gid", "env", *_SWITCHES),
)


def parse_mount(statement: Statement, text: Word) -> Mount:
    """The options in order with keys in lower case; values stay unexpanded. Raises DockerfileError."""
    options = []
    for field in _fields(statement, text):
        key, equals, value = field.partition("=")
        key = key.lower()
        place = _place(text, field)
        if key not in _KEYS:
            near = suggestion(key, _KEYS)
            hint = f"Did you mean {near}?" if near else f"It knows {', '.join(_KEYS)}."
            raise statement.error(f"unknown option {quoted(key)} in --mount", place, hint=hint)
        if not equals and key not in _SWITCHES:
            raise statement.error(f"the option {quoted(key)} of --mount needs a value", place)
        options.append((key, value if equals else "true"))
        _check(statement, place, key, value)
    return Mount(text, tuple(options))


def _check(statement: Statement, place: Word, key: str, value: str) -> None:
    if key == "from" and re.search(r"\$.", value):
        raise statement.error(
            "the option from of --mount can't hold a variable",
            place,
            hint="Give the image a name first: FROM image:$VERSION AS name, then from=name.",
        )
    if key == "type" and "$" not in value and value.lower() not in _TYPES:
        near = suggestion(value, _TYPES)
        hint = f"Did you mean {near}?" if near else f"It is one of {', '.join(_TYPES)}."
        raise statement.error(f"unknown mount type {quoted(value)}", place, hint=hint)


def _place(text: Word, field: str) -> Word:
    at = text.find(field)
    return Word(field, text.line, text.column + at) if at >= 0 and text.length == len(text) else text


def _fields(statement: Statement, text: Word) -> list[str]:
    if '"' not in text:
        return text.split(",")
    import csv  # quotes in --mount are rare

    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise statement.error(
            "the quotes in --mount are not those of CSV", text, hint='Quote whole fields: "source=a,b",...'
        ) from None
