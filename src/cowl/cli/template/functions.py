"""The functions of templates: Go's own and the ones that Docker adds."""

from __future__ import annotations

import json
import urllib.parse
from functools import partial

from cowl.cli.template.errors import TemplateError
from cowl.cli.template.gofmt import formatted, joined, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def truth(value: Any) -> bool:
    """Go's truth: empty strings, lists and maps, zero, false and nil are false."""
    return bool(value)


def _json(value: Any) -> str:
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if not callable(item)}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: Any, key: Any) -> Any:
    if value is None:
        raise TemplateError("error calling index: index of untyped nil")
    if isinstance(value, dict):
        missing = "" if all(isinstance(item, str) for item in value.values()) else None
        return value.get(key, missing)
    if not isinstance(value, (list, tuple, str)):
        raise TemplateError(f"error calling index: can't index item of type {type(value).__name__}")
    if not isinstance(key, int) or isinstance(key, bool):
        raise TemplateError(f"error calling index: cannot index slice/array with type {type(key).__name__}")
    if not 0 <= key < len(value):
        raise TemplateError(f"error calling index: index out of range: {key}")
    return value.encode()[key] if isinstance(value, str) else value[key]


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, (list, tuple, str)):
        raise TemplateError(f"error calling slice: can't slice item of type {type(value).__name__}")
    start, end = (*bounds, len(value))[:2] if bounds else (0, len(value))
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= len(value)):
        raise TemplateError(f"error calling slice: index out of range: {bounds}")
    return value[start:end]


def _len(value: Any) -> int:
    if not isinstance(value, (dict, list, tuple, str)):
        raise TemplateError(f"error calling len: len of type {type(value).__name__}")
    return len(value.encode()) if isinstance(value, str) else len(value)


def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("error calling eq: missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    if isinstance(one, (dict, list, tuple)) or isinstance(other, (dict, list, tuple)):
        raise TemplateError("error calling eq: non-comparable type")
    if type(one) is not type(other):
        raise TemplateError("error calling eq: incompatible types for comparison")
    return bool(one == other)


def _ordered(name: str, compare: Callable[[Any, Any], bool], one: Any, other: Any) -> bool:
    if isinstance(one, bool) or type(one) is not type(other) or not isinstance(one, (int, float, str)):
        raise TemplateError(f"error calling {name}: incompatible types for comparison")
    return compare(one, other)


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _join(items: Any, separator: str) -> str:
    if isinstance(items, str) or not all(isinstance(item, str) for item in items or ()):
        raise TemplateError("error calling join: expected a list of strings")
    return separator.join(items or ())


def _title(text: str) -> str:
    capital = True
    result = []
    for char in text:
        result.append(char.upper() if capital else char)
        capital = not (char.isalnum() or char in "_'")
    return "".join(result)


def _pad(text: str, before: int, after: int) -> str:
    return text if not text else " " * before + text + " " * after


def _truncate(text: str, room: int) -> str:
    return text if len(text) < room else text[:room]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": lambda *values: next((value for value in values if not truth(value)), values[-1]),
    "or": lambda *values: next((value for value in values if truth(value)), values[-1]),
    "not": lambda value: not truth(value),
    "eq": _eq,
    "ne": lambda one, other: not _eq(one, other),
    "lt": partial(_ordered, "lt", lambda one, other: one < other),
    "le": partial(_ordered, "le", lambda one, other: one <= other),
    "gt": partial(_ordered, "gt", lambda one, other: one > other),
    "ge": partial(_ordered, "ge", lambda one, other: one >= other),
    "len": _len,
    "index": _index,
    "slice": _slice,
    "print": lambda *values: joined(values),
    "println": lambda *values: joined(values, spaces=True) + "\n",
    "printf": lambda layout, *values: formatted(layout, values),
    "urlquery": lambda *values: urllib.parse.quote_plus(joined(values)),
    "json": _json,
    "split": _split,
    "join": _join,
    "title": lambda text: _title(text),
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "pad": _pad,
    "truncate": _truncate,
}

# In the header line of a table these leave the header as it is.
HEADER_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **FUNCTIONS,
    "json": shown,
    "title": shown,
    "lower": shown,
    "upper": shown,
    "truncate": lambda text, _room: text,
    "split": lambda text, _separator: text,
    "join": lambda text, _separator: text,
}
