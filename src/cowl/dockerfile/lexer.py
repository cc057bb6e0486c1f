"""Lexer: physical lines to logical ones, with comments, directives and continuations taken care of.

The rules are BuildKit's (frontend/dockerfile/parser): a `#` starts a comment only as the first character
of a line that is not blank; a line whose last character, blanks apart, is one escape character goes on in
the next; comment lines and blank lines inside a continuation are dropped, the latter with a warning;
continuation lines keep their leading blanks.
"""

from __future__ import annotations

from bisect import bisect_right

from cowl.dockerfile.diagnostics import DockerfileError, excerpt_of, headed, quoted
from cowl.dockerfile.nodes import Directives, ParseWarning
from cowl.dockerfile.words import SPACE

_DIRECTIVES = ("check", "escape", "syntax")


class LogicalLine:
    """One instruction as written over one or more lines; `text` is joined and not yet trimmed at its end.

    `last_line` grows when heredoc bodies are taken.
    """

    __slots__ = ("_column", "_line", "_places", "last_line", "text")

    def __init__(
        self,
        text: str,
        line: int,
        column: int,
        last_line: int = 0,
        places: list[tuple[int, int, int]] | None = None,
    ) -> None:
        """`text` begins at `line` and `column`; `places` are (offset, line, column) of all its pieces."""
        self.text = text
        self.last_line = last_line or line
        self._line = line
        self._column = column
        self._places = places

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column (from 1) of the character at `offset` of the joined text."""
        places = self._places
        if places is None:
            return self._line, self._column + offset
        start, line, column = places[bisect_right(places, offset, key=lambda place: place[0]) - 1]
        return line, column + offset - start


class Lexer:
    """Reads logical lines off a text. `directives` is complete once the first line has been read."""

    def __init__(self, text: str, path: str, escape: str = "\\") -> None:
        self.text = text.removeprefix("\ufeff")
        self.path = path
        self.directives = Directives(escape=escape)
        self.warnings: list[ParseWarning] = []
        self.lines = self.text.split("\n")
        if not self.lines[-1]:
            self.lines.pop()
        self._next = 0
        self._seen: set[str] = set()
        self._heading = True
        self._ends: dict[bool, dict[str, int]] = {}

    def read(self) -> LogicalLine | None:
        """The next logical line, or None at the end. Raises DockerfileError for a bad directive."""
        while self._next < len(self.lines):
            raw = self.lines[self._next].rstrip("\r")
            self._next += 1
            text = raw.lstrip(SPACE)
            if self._heading:
                self._heading = self._directive(text, len(raw) - len(text) + 1)
            if not text or text[0] == "#":
                continue
            body, more = self._cut(text)
            column = len(raw) - len(text) + 1
            return self._continued(body, column) if more else LogicalLine(body, self._next, column)
        return None

    def take_heredoc(self, line: LogicalLine, name: str, chomp: bool) -> str | None:
        """The lines up to the one that is `name`, or None (and nothing taken) if there is no such line."""
        if not self.has_end(name, chomp):
            return None
        body = []
        for index in range(self._next, len(self.lines)):
            text = self.lines[index]
            if (text.lstrip("\t") if chomp else text).rstrip("\r") == name:
                self._next = line.last_line = index + 1
                break
            body.append(text.lstrip("\t") if chomp else text)
        return "".join(f"{text}\n" for text in body)

    def has_end(self, name: str, chomp: bool) -> bool:
        """Whether a heredoc that starts here ends. Cheap, however often it is asked."""
        if chomp not in self._ends:
            texts = (text.lstrip("\t") if chomp else text for text in self.lines)
            self._ends[chomp] = {text.rstrip("\r"): index for index, text in enumerate(texts)}
        return self._ends[chomp].get(name, -1) >= self._next

    def error(
        self, reason: str, line: int, column: int, *, length: int = 1, hint: str = ""
    ) -> DockerfileError:
        """A DockerfileError at a place of this text, to be raised."""
        return DockerfileError(
            reason,
            path=self.path,
            line=line,
            column=column,
            length=length,
            excerpt=self._excerpt(line, column, length),
            hint=hint,
        )

    def warn(
        self, rule: str, message: str, line: int, column: int, *, length: int = 1, hint: str = ""
    ) -> None:
        """Notes what is odd at a place of this text, in the name of a check."""
        excerpt = self._excerpt(line, column, length)
        self.warnings.append(
            ParseWarning(
                message=headed(message, self.path, line, column, excerpt),
                path=self.path,
                line=line,
                column=column,
                excerpt=excerpt,
                hint=hint,
                rule=rule,
                reason=message,
                length=length,
            )
        )

    def _excerpt(self, line: int, column: int, length: int) -> str:
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return excerpt_of(text, line, column, length) if text.strip() else ""

    def _cut(self, text: str) -> tuple[str, bool]:
        """`text` without its continuation character, and whether there was one."""
        escape = self.directives.escape
        if text[-1] not in f"{escape} \t":
            return text, False
        bare = text.rstrip(" \t")
        if bare.endswith(escape) and not bare.endswith(escape * 2):
            return bare[:-1], True
        return text, False

    def _continued(self, body: str, column: int) -> LogicalLine:
        """The line that begins with `body` at `column` and goes on in the next."""
        first = self._next
        places = [(0, first, column)]
        parts, length, more, blank = [body], len(body), True, 0
        while more and self._next < len(self.lines):
            raw = self.lines[self._next].rstrip("\r")
            self._next += 1
            text = raw.lstrip(SPACE)
            if not text:
                blank = blank or self._next
            elif text[0] != "#":
                body, more = self._cut(raw)
                places.append((length, self._next, 1))
                parts.append(body)
                length += len(body)
        if blank:
            self.warn(
                "NoEmptyContinuation",
                "Empty continuation line",
                blank,
                1,
                hint="Remove the empty line: Docker warns about it and means to refuse it one day.",
            )
        return LogicalLine("".join(parts), first, column, self._next, places)

    def _directive(self, text: str, column: int) -> bool:
        """Takes a parser directive; False when the line is none, which ends the directives."""
        name, equals, value = text.removeprefix("#").partition("=")
        name, value = name.strip(SPACE), value.strip(SPACE)
        if not text.startswith("#") or not equals or not value or name.lower() not in _DIRECTIVES:
            return False
        key = name.lower()
        at = column + text.index(name)
        if key in self._seen:
            raise self.error(f"the parser directive {key} is given twice", self._next, at, length=len(name))
        if key == "escape" and value not in ("\\", "`"):
            raise self.error(
                f"the escape character can't be {quoted(value)}",
                self._next,
                column + text.index(value, text.index("=")),
                length=len(value),
                hint="It must be \\ or ` (a backquote).",
            )
        self._seen.add(key)
        self.directives = self.directives.replace(**{key: value})
        return True
