"""Expansion: variables, quotes and escapes of one word, as BuildKit's shell lexer does them.

`$x ${x} ${x:-y} ${x-y} ${x:+y} ${x+y} ${x:?e} ${x?e} ${x#p} ${x##p} ${x%p} ${x%%p} ${x/p/r} ${x//p/r}`.
Everything is linear in the input; nesting and the bytes that variables bring in are bounded.
Which instructions expand which of their fields is told by `scope`.
"""

from __future__ import annotations

import re

from cowl.dockerfile import patterns
from cowl.dockerfile.diagnostics import quoted
from cowl.dockerfile.words import SPACE
from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DEPTH = 64  # ${a:-${b:-...}} deeper than this is refused
MAX_SIZE = 1 << 20  # characters that the variables of one word may bring in

_SPACES = re.compile(f"[{SPACE}]+")
_DIGITS = re.compile(r"\d+")
_NAME = re.compile(r"\w+")
_SPECIAL_NAMES = "@*#?-$!0"


class ExpansionError(Invalid):
    """A word that can't be expanded: `reason`, and the `offset` in the word where it goes wrong."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


class Expander:
    """Expands words against `variables`. `used` collects the names that had a value.

    `missing` those that had none and needed one: `${x:-y}` and the like know what to do without.

    escape      the escape character of the Dockerfile
    raw_quotes  keep the quotes
    raw_escapes keep the escape characters
    no_quotes   quotes mean nothing (heredoc bodies)
    keep_unset  leave references to unknown variables as they are
    heredocs    `<< NAME` is one word
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        escape: str = "\\",
        *,
        raw_quotes: bool = False,
        raw_escapes: bool = False,
        no_quotes: bool = False,
        keep_unset: bool = False,
        heredocs: bool = False,
    ) -> None:
        self.variables = variables
        self.used: set[str] = set()
        self.missing: set[str] = set()
        self._escape = escape
        self._raw_quotes = raw_quotes
        self._raw_escapes = raw_escapes
        self._keep_unset = keep_unset
        self._special = "$" + escape + ("" if no_quotes else "'\"") + ("<" if heredocs else "")
        self._plain: dict[str, re.Pattern[str]] = {}
        self._begin("")

    def word(self, text: str) -> str:
        """`text` with variables put in and quotes and escapes taken off. Raises ExpansionError."""
        if not text or self._plain_run("").fullmatch(text):
            return text
        self._begin(text)
        return self._until("", self._raw_escapes, None)

    def words(self, text: str) -> list[str]:
        """The same, split at blanks that are not quoted, those that a variable brought in included."""
        self._begin(text)
        collected = _WordList()
        self._until("", self._raw_escapes, collected)
        return collected.finish()

    def _begin(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._size = 0

    def _until(self, stop: str, raw: bool, words: _WordList | None) -> str:
        """Everything up to the character `stop`, which is eaten; up to the end when `stop` is empty."""
        out: list[str] = []
        plain, text = self._plain_run(stop), self._text
        opened = self._at
        while self._at < len(text):
            run = plain.match(text, self._at)
            if run:
                self._at = run.end()
                piece, splits = run[0], True
            elif text[self._at] == stop:
                self._at += 1
                return "".join(out)
            else:
                piece, splits = self._piece(text[self._at], raw)
            out.append(piece)
            if words is not None:
                words.add(piece, splits)
        if stop:
            raise ExpansionError(f"${{ is never closed: {quoted(stop)} is missing", max(0, opened - 1))
        return "".join(out)

    def _plain_run(self, stop: str) -> re.Pattern[str]:
        if stop not in self._plain:
            self._plain[stop] = re.compile(f"[^{re.escape(self._special + stop)}]+")
        return self._plain[stop]

    def _piece(self, character: str, raw: bool) -> tuple[str, bool]:
        """The expansion of what starts with a special character, and whether blanks in it split words."""
        if character == "$":
            return self._dollar(), True
        if character == "'":
            return self._single(), False
        if character == '"':
            return self._double(raw), False
        if character == "<":
            return self._heredoc_mark(), False
        self._at += 1
        escaped = self._text[self._at : self._at + 1]
        self._at += len(escaped)
        return (character + escaped if raw else escaped), False

    def _heredoc_mark(self) -> str:
        match = re.compile(rf"<<[{SPACE}]*|<").match(self._text, self._at)
        self._at = match.end() if match else self._at + 1
        return match[0] if match else "<"

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise ExpansionError("a single quote is never closed", self._at)
        quoted_text = self._text[self._at + 1 : end]
        self._at = end + 1
        return f"'{quoted_text}'" if self._raw_quotes else quoted_text

    def _double(self, raw: bool) -> str:
        opened, text, escape = self._at, self._text, self._escape
        plain = re.compile(f'[^"${re.escape(escape)}]+')
        out: list[str] = []
        self._at += 1
        while self._at < len(text):
            run = plain.match(text, self._at)
            if run:
                self._at = run.end()
                out.append(run[0])
            elif text[self._at] == '"':
                self._at += 1
                inner = "".join(out)
                return f'"{inner}"' if self._raw_quotes else inner
            elif text[self._at] == "$":
                out.append(self._dollar())
            else:
                out.append(self._escaped_in_double(raw))
        raise ExpansionError("a double quote is never closed", opened)

    def _escaped_in_double(self, raw: bool) -> str:
        """Inside double quotes an escape character means something before a quote, `$` or itself only."""
        follows = self._text[self._at + 1 : self._at + 2]
        kept = self._escape if raw else ""
        self._at += 1
        if not follows:
            return kept
        if follows in f'"${self._escape}':
            self._at += 1
            return kept + follows
        return kept + self._escape

    def _dollar(self) -> str:
        start = self._at
        self._at += 1
        if not self._text.startswith("{", self._at):
            name = self._name()
            if not name:
                return "$"
            value = self._lookup(name)
            return f"${name}" if value is None and self._keep_unset else self._sized(value or "", start)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpansionError(f"substitutions are nested more than {MAX_DEPTH} deep", start)
        self._at += 1
        value = self._braced(start)
        self._depth -= 1
        return self._sized(value, start)

    def _braced(self, start: int) -> str:
        """What stands behind `${`, the closing brace included."""
        text = self._text
        if self._at >= len(text):
            raise ExpansionError("${ is never closed", start)
        if text[self._at] in "{}:":
            raise ExpansionError("bad substitution: ${ wants the name of a variable", start)
        name = self._name()
        modifier = text[self._at : self._at + 1]
        self._at += 1
        if modifier == "}":
            value = self._lookup(name)
            return f"${{{name}}}" if value is None and self._keep_unset else value or ""
        if modifier == "/":
            return self._replaced(name, start)
        colon = modifier == ":"
        if colon:
            modifier = text[self._at : self._at + 1]
            self._at += 1
        if not modifier:
            raise ExpansionError("${ is never closed", start)
        if modifier not in "-+?#%":
            shown = (":" if colon else "") + modifier
            raise ExpansionError(f"unknown modifier {quoted(shown)} in a substitution", start)
        return self._modified(name, modifier, colon, start)

    def _modified(self, name: str, modifier: str, colon: bool, start: int) -> str:
        argument = self._argument("}", modifier in "#%", start)
        value = self._lookup(name, expected=modifier in "#%")
        if value is None and self._keep_unset:
            return f"${{{name}{':' if colon else ''}{modifier}{argument}}}"
        absent = value is None or (colon and not value)
        if modifier == "-":
            return argument if absent else value or ""
        if modifier == "+":
            return "" if absent else argument
        if modifier == "?":
            if absent:
                default = f"is not allowed to be {'unset' if value is None else 'empty'}"
                raise ExpansionError(f"{name}: {argument or default}", start)
            return value or ""
        greedy = argument.startswith(modifier)
        trim = patterns.without_prefix if modifier == "#" else patterns.without_suffix
        try:
            return trim(value or "", argument[greedy:], greedy)
        except patterns.BadPattern as error:
            raise ExpansionError(str(error), start) from None

    def _replaced(self, name: str, start: int) -> str:
        everywhere = self._text.startswith("/", self._at)
        self._at += everywhere
        pattern = self._argument("/", True, start)
        replacement = self._argument("}", True, start)
        value = self._lookup(name)
        if value is None and self._keep_unset:
            return f"${{{name}/{'/' if everywhere else ''}{pattern}/{replacement}}}"
        try:
            return patterns.replaced(value or "", pattern, replacement, everywhere, MAX_SIZE)
        except patterns.BadPattern as error:
            raise ExpansionError(str(error), start) from None

    def _argument(self, stop: str, raw: bool, start: int) -> str:
        try:
            return self._until(stop, raw, None)
        except ExpansionError as error:
            if self._at >= len(self._text) and "is never closed" in error.reason:
                raise ExpansionError(f"${{ is never closed: {quoted(stop)} is missing", start) from None
            raise

    def _name(self) -> str:
        """A variable's name; digits alone, or one special character, are names too. "" if there is none."""
        first = self._text[self._at : self._at + 1]
        if first.isdecimal():
            match = _DIGITS.match(self._text, self._at)
        elif first and first in _SPECIAL_NAMES:
            self._at += 1
            return first
        else:
            match = _NAME.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return match[0] if match else ""

    def _lookup(self, name: str, *, expected: bool = True) -> str | None:
        value = self.variables.get(name)
        if value is not None:
            self.used.add(name)
        elif expected:
            self.missing.add(name)
        return value

    def _sized(self, value: str, start: int) -> str:
        self._size += len(value)
        if self._size > MAX_SIZE:
            raise ExpansionError(f"the variables of one word bring in more than {MAX_SIZE} characters", start)
        return value


class _WordList:
    """Collects pieces and cuts them into words at blanks."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._current: list[str] = []

    def add(self, piece: str, splits: bool) -> None:
        if not splits:
            self._current.append(piece)
            return
        head, *rest = _SPACES.split(piece)
        self._current.append(head)
        for part in rest:
            self.finish()
            self._current = [part]

    def finish(self) -> list[str]:
        word = "".join(self._current)
        if word:
            self._words.append(word)
        self._current = []
        return self._words
