"""Lists of `key=value` as flags have them: one record of CSV, quoted as Go's encoding/csv reads it."""

from __future__ import annotations

import difflib

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


class InvalidFields(Invalid):
    """A flag's list can't be read. Fields: flag, text."""

    def __init__(self, flag: str, text: str, why: str, hint: str = "") -> None:
        super().__init__(f"--{flag} {text}: {why}", hint=hint)
        self.flag = flag
        self.text = text


def split(flag: str, text: str) -> list[str]:
    """The fields of one record: `type=local,"dest=a,b"` has two. Raises InvalidFields."""
    fields, rest = [], text
    while True:
        if rest.startswith('"'):
            field, rest = _quoted(flag, text, rest[1:])
        else:
            end = rest.find(",")
            field, rest = (rest, "") if end < 0 else (rest[:end], rest[end:])
            if '"' in field:
                raise InvalidFields(
                    flag,
                    text,
                    f'a " inside the field {field}',
                    'Quote the whole field, key and all: "dest=a,b"; a " in it is written "".',
                )
        fields.append(field)
        if not rest:
            return fields
        rest = rest[1:]


def _quoted(flag: str, text: str, rest: str) -> tuple[str, str]:
    """The field that a quote has opened, and what is behind its end."""
    field = ""
    while True:
        end = rest.find('"')
        if end < 0:
            raise InvalidFields(flag, text, 'a field that begins with " has no end', 'Close it with ".')
        field, rest = field + rest[:end], rest[end + 1 :]
        if not rest.startswith('"'):
            break
        field, rest = field + '"', rest[1:]
    if rest and not rest.startswith(","):
        raise InvalidFields(flag, text, 'behind the " that ends a field there is no comma')
    return field, rest


class Fields:
    """The pairs of one flag, taken out one after the other; `close` refuses what nobody took.

    Keys are lower case, but for what follows the first dot. A key that comes twice has its last value,
    but for `many`.
    """

    def __init__(self, flag: str, text: str, fields: Iterable[str]) -> None:
        self.flag = flag
        self.text = text
        self._pairs: list[tuple[str, str]] = []
        self._asked: list[str] = []
        for field in fields:
            key, equals, value = field.partition("=")
            if not equals:
                raise self.wrong(f"invalid field {field!r}: it must be key=value")
            kind, dot, rest = key.strip().partition(".")
            self._pairs.append((kind.lower() + dot + rest, value))

    def wrong(self, why: str, hint: str = "") -> InvalidFields:
        """The error to raise about this flag."""
        return InvalidFields(self.flag, self.text, why, hint)

    def text_of(self, key: str, default: str = "") -> str:
        """The value of a key."""
        return (self.many(key) or (default,))[-1]

    def needed(self, key: str, example: str) -> str:
        """The value of a key that must be there."""
        value = self.text_of(key)
        if not value:
            raise self.wrong(f"{key} is missing", f"Add {key}={example}.")
        return value

    def many(self, key: str) -> tuple[str, ...]:
        """All values of a key."""
        self._asked.append(key)
        found = tuple(value for name, value in self._pairs if name == key)
        self._pairs = [(name, value) for name, value in self._pairs if name != key]
        return found

    def on(self, key: str, default: bool) -> bool:
        """The value of a key that is true or false."""
        value = self.text_of(key)
        if value in _TRUE or value in _FALSE:
            return value in _TRUE
        if value:
            raise self.wrong(f"{key}={value}: it must be true or false")
        return default

    def number(self, key: str) -> int | None:
        """The value of a key that is a number."""
        value = self.text_of(key)
        if value and not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise self.wrong(f"{key}={value}: it must be a number")
        return int(value) if value else None

    def one_of(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """The value of a key that has only these."""
        value = self.text_of(key, default)
        if value not in choices:
            hint = _nearest(value, choices)
            raise self.wrong(f"{key}={value}: there are {', '.join(choices)}", hint)
        return value

    def prefixed(self, *prefixes: str) -> tuple[tuple[str, str], ...]:
        """(the rest of the key, value) of all keys that begin so, sorted."""
        self._asked += [f"{prefix}KEY" for prefix in prefixes]
        found = {}
        for prefix in prefixes:
            found.update(
                {name[len(prefix) :]: value for name, value in self._pairs if name.startswith(prefix)}
            )
            self._pairs = [pair for pair in self._pairs if not pair[0].startswith(prefix)]
        return tuple(sorted(found.items()))

    def close(self, what: str, unsupported: tuple[str, ...] = ()) -> None:
        """Raises InvalidFields when a key is left; `unsupported` are those that BuildKit has."""
        for key, _ in self._pairs:
            if key in unsupported:
                raise self.wrong(f"{key} of {what} is not supported by this version of cowl")
            hint = _nearest(key, self._asked) or (
                f"There are {', '.join(self._asked)}." if self._asked else "It takes no key."
            )
            raise self.wrong(f"unknown key {key!r} of {what}", hint)


def _nearest(word: str, choices: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else ""
