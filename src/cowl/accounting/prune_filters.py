"""Filters of prunes, as Docker has them: until=, label=, label!= and those of one kind alone. Pure."""

from __future__ import annotations

import re

from cowl.errors import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d|w)")
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
}
_STAMP = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_ONCE = ("until", "dangling", "all", "shared")
SYNONYMS = {"unused-for": "until"}


class InvalidFilter(Invalid):
    """A filter that is not key=value, or whose key or value means nothing here. Field: text."""

    def __init__(self, text: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"invalid filter {text!r}: {why}", hint=hint)
        self.text = text


class Filters(Value):
    """What a prune is restricted to.

    until   seconds since the epoch: only what is not younger; None: however young
    labels  "key" or "key=value": only what has all of them; `unlike`: nothing that has any of these
    other   the values of the further keys, in the order given
    """

    until: float | None = None
    labels: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    other: tuple[tuple[str, str], ...] = ()

    def old_enough(self, moment: float) -> bool:
        """Whether something of this moment may go. What seems to come from the future may not."""
        return self.until is None or moment <= self.until

    def labels_fit(self, labels: Mapping[str, str]) -> bool:
        """Whether something with these labels may go."""
        return all(_has(labels, word) for word in self.labels) and not any(
            _has(labels, word) for word in self.unlike
        )

    def values(self, key: str) -> tuple[str, ...]:
        """All values of one of the further keys."""
        return tuple(value for name, value in self.other if name == key)

    def flag(self, key: str, default: bool) -> bool:
        """The value of a key that is true or false. Raises InvalidFilter."""
        for value in self.values(key):
            if value.lower() not in ("0", "1", "f", "t", "false", "true"):
                raise InvalidFilter(f"{key}={value}", "it must be true or false")
            return value.lower() in ("1", "t", "true")
        return default


def parse_filters(words: Iterable[str], known: Sequence[str], now: float) -> Filters:
    """ "key=value" words, of the keys that are known here. Raises InvalidFilter."""
    until: float | None = None
    found: dict[str, list[str]] = {"label": [], "label!": []}
    other: list[tuple[str, str]] = []
    seen = set()
    for word in words:
        key, value = _split(word, known)
        if key in _ONCE and key in seen:
            raise InvalidFilter(word, f"there is more than one {key} filter")
        seen.add(key)
        if key == "until":
            until = moment(value, now)
        elif key in found:
            found[key].append(value)
        else:
            other.append((key, value))
    return Filters(until, tuple(found["label"]), tuple(found["label!"]), tuple(other))


def _split(word: str, known: Sequence[str]) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    key, value = key.strip().lower(), value.strip()
    key = SYNONYMS.get(key, key) if key not in known else key
    if not equals:
        raise InvalidFilter(word, "it must be key=value")
    if key not in known:
        raise InvalidFilter(word, "there is no such filter here", hint=f"The filters are {', '.join(known)}.")
    return key, value


def moment(text: str, now: float) -> float:
    """What until= means, in seconds since the epoch: a span before now, a date, or such seconds.

    Spans are Go's ("1h30m"), and d and w besides. A date without a zone is one of the local zone.
    Raises InvalidFilter.
    """
    try:
        return now - span(text)
    except InvalidFilter:
        pass
    try:
        if _STAMP.fullmatch(text):
            return float(text)
        return _date(text)
    except (ValueError, OverflowError, OSError):
        raise InvalidFilter(
            f"until={text}", "it is neither a span of time nor a date", hint='Such as "24h" or "2006-01-02".'
        ) from None


def _date(text: str) -> float:
    from datetime import datetime, timezone

    bare = text.removesuffix("Z")
    found = datetime.fromisoformat(bare)
    return (found.replace(tzinfo=timezone.utc) if bare != text else found).timestamp()  # noqa: UP017


def span(text: str) -> float:
    """Seconds of a span such as "7d" or "1h30m". Raises InvalidFilter."""
    rest = text.lstrip("+-")[: len(text)]
    parts = _PART.findall(rest)
    if text.count("-") + text.count("+") > 1 or not parts or "".join(map("".join, parts)) != rest:
        raise InvalidFilter(text, "it is no span of time", hint='Such as "24h", "90m" or "7d".')
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return -total if text.startswith("-") else total


def _has(labels: Mapping[str, str], word: str) -> bool:
    key, equals, value = word.partition("=")
    return key in labels and (not equals or labels[key] == value)
