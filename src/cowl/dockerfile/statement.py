"""Statement: one logical line cut into keyword, flags and arguments, which knows where each piece stands."""

from __future__ import annotations

import re

from cowl.dockerfile import words
from cowl.dockerfile.diagnostics import quoted, suggestion
from cowl.dockerfile.nodes import SourceRange, Word
from cowl.dockerfile.words import SPACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cowl.dockerfile.diagnostics import DockerfileError
    from cowl.dockerfile.lexer import Lexer, LogicalLine

_KEYWORD = re.compile("[^\t\v\f\r ]+")

# What a flag takes.
TEXT, LIST, SWITCH = "text", "list", "switch"


class Flags:
    """The flags of one statement, checked against its specification."""

    def __init__(self, values: Mapping[str, tuple[Word, ...]]) -> None:
        self._values = values

    def text(self, name: str) -> Word:
        """The value, or an empty word when the flag is not there."""
        return self._values[name][-1] if name in self._values else _EMPTY

    def list(self, name: str) -> tuple[Word, ...]:
        return self._values.get(name, ())

    def switch(self, name: str) -> bool | None:
        """True or False as written, None when the flag is not there."""
        return self._values[name][-1].lower() != "false" if name in self._values else None


_EMPTY = Word("")
_NO_FLAGS = Flags({})


class Statement:
    """A logical line from `offset` on (ONBUILD puts one statement inside another).

    `keyword` is as written; `arguments` is the rest after the flags, trimmed, and starts at `start`.
    """

    __slots__ = ("_flag_words", "_offset", "arguments", "escape", "keyword", "lexer", "line", "raw", "start")

    def __init__(self, lexer: Lexer, line: LogicalLine, offset: int = 0) -> None:
        self.lexer = lexer
        self.line = line
        self.escape = lexer.directives.escape
        end = len(line.text.rstrip(SPACE))
        offset = max(offset, end - len(line.text[offset:end].lstrip(SPACE)))
        match = _KEYWORD.match(line.text, offset, end)
        self.keyword = match[0] if match else ""
        self._offset = match.start() if match else offset
        start = match.end() if match else end
        self._flag_words: list[Word] = []
        rest = line.text[start:end].lstrip(SPACE)
        self.start = end - len(rest)
        if rest.startswith("--"):
            self._take_flags(rest)
            rest = line.text[self.start : end].lstrip(SPACE)
            self.start = end - len(rest)
        self.arguments = rest
        self.raw = line.text[offset:end]

    @property
    def source(self) -> SourceRange:
        line, column = self.line.place(self._offset)
        return SourceRange(self.lexer.path, line, self.line.last_line, column)

    @property
    def keyword_word(self) -> Word:
        """The keyword as written, with its place."""
        return self._word(self._offset, self.keyword)

    def word(self, offset: int, text: str, length: int = 0) -> Word:
        """`text` as a Word that stands at `offset` of the arguments."""
        return self._word(self.start + offset, text, length)

    def whole(self) -> Word:
        """All arguments as one Word."""
        return self.word(0, self.arguments)

    def fields(self) -> list[Word]:
        return [self.word(at, text) for at, text in words.fields(self.arguments)]

    def shell_words(self) -> list[tuple[int, str]]:
        return words.shell_words(self.arguments, self.escape)

    def json(self, offset: int = 0) -> tuple[Word, ...] | None:
        """The arguments from `offset` on as an array of strings, or None when they are not JSON.

        Warns when they were plainly meant to be; raises DockerfileError for an array of other things.
        """
        text = self.arguments[offset:]
        if not text.startswith("["):
            return None
        try:
            found = words.json_strings(text)
        except words.NotStrings:
            raise self.error(
                "a JSON array here must hold strings only",
                self.word(offset, text),
                hint='Write it as ["one", "two"], numbers and booleans in double quotes too.',
            ) from None
        if found is not None:
            return tuple(self.word(offset + at, value, length) for at, value, length in found)
        if words.looks_like_json(text):
            self.warn(
                "CowlNotJSON",
                "this looks like a JSON array but is not one, so it is taken as plain text",
                self.word(offset, text),
                hint="JSON wants double quotes, a comma between strings and none after the last.",
            )
        return None

    def error(self, reason: str, word: Word | None = None, *, hint: str = "") -> DockerfileError:
        """A DockerfileError at `word` (default: the keyword), to be raised."""
        place = word if word is not None else self.keyword_word
        return self.lexer.error(reason, place.line, place.column, length=place.length, hint=hint)

    def warn(self, rule: str, message: str, word: Word | None = None, *, hint: str = "") -> None:
        place = word if word is not None else self.keyword_word
        self.lexer.warn(rule, message, place.line, place.column, length=place.length, hint=hint)

    def flags(self, spec: Mapping[str, str]) -> Flags:
        """The flags, each checked: known, not twice, with a value where it needs one."""
        if not self._flag_words:
            return _NO_FLAGS
        values: dict[str, tuple[Word, ...]] = {}
        for flag in self._flag_words:
            name, equals, text = flag[2:].partition("=")
            if name not in spec:
                raise self._unknown_flag(flag, name, spec)
            if name in values and spec[name] != LIST:
                raise self.error(f"the flag --{name} is given twice", flag)
            if not equals and spec[name] != SWITCH:
                raise self.error(
                    f"the flag --{name} needs a value", flag, hint=f"Write --{name}=VALUE, without a space."
                )
            if spec[name] == SWITCH and text.lower() not in ("true", "false", "")[: 2 + (not equals)]:
                raise self.error(f"the flag --{name} is true or false, not {quoted(text)}", flag)
            column = flag.column + len(name) + 3
            value = Word(text, flag.line, column, max(1, flag.length - len(name) - 3))
            values[name] = (*values.get(name, ()), value)
        return Flags(values)

    def ignore_flags(self) -> None:
        """For the instructions whose flags Docker drops unseen."""
        for flag in self._flag_words:
            message = f"{self.keyword.upper()} has no flags: {quoted(flag)} is ignored"
            self.warn("CowlFlagIgnored", message, flag)

    def _unknown_flag(self, flag: Word, name: str, spec: Mapping[str, str]) -> DockerfileError:
        near = suggestion(name, spec)
        known = ", ".join(f"--{each}" for each in spec)
        hint = f"Did you mean --{near}?" if near else f"It knows {known}." if known else "It has no flags."
        return self.error(f"unknown flag for {self.keyword.upper()}: {quoted('--' + name)}", flag, hint=hint)

    def _word(self, offset: int, text: str, length: int = 0) -> Word:
        line, column = self.line.place(offset)
        return Word(text, line, column, length)

    def _take_flags(self, rest: str) -> None:
        """Moves the leading `--x=y` words out of the arguments, quotes in them taken off as in Docker."""
        position = 0
        while rest.startswith("--", position):
            begin = position
            text, position = _flag_word(rest, position)
            if text == "--":
                break
            self._flag_words.append(self._word(self.start + begin, text, position - begin))
            position += len(rest) - position - len(rest[position:].lstrip(SPACE))
        self.start += position


_FLAG_PLAIN = re.compile(f"[^{SPACE}'\"\\\\]+")
_FLAG_QUOTED = {"'": re.compile(r"[^'\\]+"), '"': re.compile(r'[^"\\]+')}


def _flag_word(text: str, position: int) -> tuple[str, int]:
    """The flag word at `position` without its quotes and backslashes, and the offset behind it."""
    parts: list[str] = []
    quote = ""
    while position < len(text):
        run = (_FLAG_QUOTED[quote] if quote else _FLAG_PLAIN).match(text, position)
        if run:
            parts.append(run[0])
            position = run.end()
            continue
        character = text[position]
        if character == "\\":
            parts.append(text[position + 1 : position + 2])
            position += 1
        elif quote:
            quote = ""
        elif character in "'\"":
            quote = character
        else:
            break
        position += 1
    return "".join(parts), min(position, len(text))
