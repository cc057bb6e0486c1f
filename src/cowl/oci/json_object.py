"""A JSON object from an untrusted document, read member by member with its types checked."""

from __future__ import annotations

import json

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class JsonObject:
    """Typed reads of one object. `where` names it in errors; `error` is the kind that is raised.

    A member that is absent or null gives the empty value; one of another type raises. Text with
    NUL or a lone surrogate is refused, since neither the kernel nor a terminal could take it.
    """

    def __init__(self, members: Mapping[str, Any], where: str, error: type[Invalid]) -> None:
        self._members = members
        self._where = where
        self._error = error

    def __contains__(self, name: str) -> bool:
        return self._members.get(name) is not None

    def text(self, name: str) -> str:
        """A string, or ""."""
        value = self._members.get(name)
        return "" if value is None else self._text(name, value)

    def boolean(self, name: str) -> bool:
        """True or False; False when absent."""
        value = self._members.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def integer(self, name: str) -> int | None:
        """An integer of at most 63 bits, or None."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 1 << 63:
            raise self.wrong(name, "a 64-bit integer")
        return value

    def strings(self, name: str) -> tuple[str, ...] | None:
        """A list of strings, or None; a single string counts as a list of one, as for Docker."""
        value = self._members.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            raise self.wrong(name, "a list of strings")
        return tuple(self._text(name, item) for item in value)

    def keys(self, name: str) -> tuple[str, ...]:
        """The sorted names of an object that stands for a set (ExposedPorts, Volumes)."""
        value = self._members.get(name)
        if value is None:
            return ()
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return tuple(sorted(self._text(name, key) for key in value))

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """A map of strings as sorted pairs."""
        value = self._members.get(name)
        if value is None:
            return ()
        if not isinstance(value, dict):
            raise self.wrong(name, "an object of strings")
        return tuple(sorted((self._text(name, key), self._text(name, item)) for key, item in value.items()))

    def child(self, name: str) -> JsonObject | None:
        """A nested object, or None."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return JsonObject(value, f"{self._where}.{name}", self._error)

    def children(self, name: str) -> tuple[JsonObject, ...]:
        """A list of objects; empty when absent."""
        value = self._members.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.wrong(name, "a list of objects")
        return tuple(
            JsonObject(item, f"{self._where}.{name}[{index}]", self._error)
            for index, item in enumerate(value)
        )

    def raw(self, name: str) -> str:
        """A nested object as compact JSON text with sorted keys, or ""."""
        value = self._members.get(name)
        if value is None:
            return ""
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return self._text(name, dumps(value, sort_keys=True))

    def wrong(self, name: str, expected: str) -> Invalid:
        """The error to raise when the member `name` is not `expected`."""
        return self._error(f"{self._where}: {name!r} must be {expected}")

    def _text(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            raise self.wrong(name, "text")
        if "\0" in value or not encodable(value):
            raise self.wrong(name, "text without NUL or half a surrogate pair")
        return value


def parse_object(raw: bytes, where: str, error: type[Invalid]) -> JsonObject:
    """The object that the document `raw` (UTF-8) is; raises `error` for anything else.

    A name given twice is refused: two readers could disagree about which one counts.
    """
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as problem:
        raise error(f"{where}: not valid JSON: {problem}") from problem
    if not isinstance(document, dict):
        raise error(f"{where}: a JSON object was expected")
    return JsonObject(document, where, error)


def dumps(document: object, *, sort_keys: bool = False) -> str:
    """Compact JSON text, non-ASCII characters as they are."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)


def encodable(text: str) -> bool:
    """Whether `text` has a UTF-8 form."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:60]!r} occurs twice in one object")
    return members
