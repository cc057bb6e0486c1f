"""Template text to tokens: text and the insides of {{ }}."""

from __future__ import annotations

import re

from cowl.cli.template.errors import TemplateSyntaxError
from cowl.value import Value

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<string>"(?:\\.|[^"\\\n])*")
    | (?P<raw>`[^`]*`)
    | (?P<char>'(?:\\.|[^'\\\n])')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))
    | (?P<field>(?:\.[^\W\d]\w*)+)
    | (?P<dot>\.)
    | (?P<variable>\$\w*)
    | (?P<word>[^\W\d]\w*)
    | (?P<sign>:=|[=|(),])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class Token(Value):
    """`kind` is text, open, close, or a group of the pattern; `tight`: no space before it."""

    kind: str
    text: str
    line: int
    tight: bool = False


def tokens(source: str) -> list[Token]:
    """All tokens of a template, white space trimmed as {{- and -}} ask. Raises TemplateSyntaxError."""
    found: list[Token] = []
    at, trim = 0, False
    while True:
        start = source.find("{{", at)
        text = source[at:] if start < 0 else source[at:start]
        if trim:
            text = text.lstrip(" \t\r\n")
        if start < 0:
            return [*found, Token("text", text, _line(source, at))]
        inside = start + 2
        if source.startswith("-", inside) and source[inside + 1 : inside + 2].isspace():
            text, inside = text.rstrip(" \t\r\n"), inside + 1
        found.append(Token("text", text, _line(source, at)))
        at, trim = _action(source, inside, found)


def _action(source: str, at: int, found: list[Token]) -> tuple[int, bool]:
    """Appends the tokens of one action; where it ends and whether it trims what follows."""
    line = _line(source, at)
    comment = re.compile(r"\s*/\*.*?\*/\s*?(\s-)?\}\}", re.DOTALL).match(source, at)
    if comment:
        return comment.end(), bool(comment.group(1))
    found.append(Token("open", "{{", line))
    tight = False
    while True:
        if source.startswith("}}", at):
            found.append(Token("close", "}}", line))
            return at + 2, False
        if source.startswith("-}}", at) and not tight:
            found.append(Token("close", "}}", line))
            return at + 3, True
        if at >= len(source):
            raise TemplateSyntaxError("unclosed action", line)
        match = _TOKEN.match(source, at)
        if match is None or match.lastgroup is None:
            if source[at] == '"':
                raise TemplateSyntaxError("unterminated quoted string", line)
            raise TemplateSyntaxError(f"unexpected {source[at]!r} in action", _line(source, at))
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match.group(), _line(source, at), tight))
        tight = match.lastgroup != "space"
        at = match.end()


def unquoted(token: Token) -> str:
    """The value of a string or raw token (Go's escapes)."""
    body = token.text[1:-1]
    return body if token.kind == "raw" else _ESCAPE.sub(_escaped, body)


def _escaped(match: re.Match[str]) -> str:
    code = match.group(1)
    if len(code) == 1:
        return _ESCAPES.get(code, code)
    return chr(int(code[1:], 16) if code[0] in "xuU" else int(code, 8))


def _line(source: str, at: int) -> int:
    return source.count("\n", 0, at) + 1
