"""Moments as `--since` and `--until` take them: RFC 3339, a date, seconds of the epoch, or how long ago."""

from __future__ import annotations

from cowl import Invalid

_UNITS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


class InvalidMoment(Invalid):
    """A text that is neither a moment nor a duration."""


def parse(flag: str, text: str, now: int) -> int | None:
    """Nanoseconds since the epoch, like `now`; None for "". Raises InvalidMoment."""
    if not text:
        return None
    ago = duration(text)
    if ago is not None:
        return now - ago
    seconds, point, fraction = text.partition(".")
    if seconds.isascii() and seconds.isdigit() and (not point or fraction.isdigit()):
        return int(seconds) * 10**9 + int((fraction or "0").ljust(9, "0")[:9])
    return _date(flag, text)


def _date(flag: str, text: str) -> int:
    from datetime import datetime  # 5 ms

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidMoment(
            f'invalid value for "{flag}": {text!r}',
            hint='Write "2013-01-02T13:23:37Z", "42m" for 42 minutes ago, or seconds since the epoch.',
        ) from None
    whole = moment.replace(microsecond=0).timestamp()
    return int(whole) * 10**9 + moment.microsecond * 1000


def duration(text: str) -> int | None:
    """Nanoseconds of Go's "1h30m", "1.5s", "-2m"; None if it is none. `text` is not empty."""
    sign, rest = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    total, at = 0.0, 0
    while at < len(rest):
        start = at
        while at < len(rest) and (rest[at] in "0123456789."):
            at += 1
        number = rest[start:at]
        unit_start = at
        while at < len(rest) and rest[at] not in "0123456789.":
            at += 1
        unit = _UNITS.get(rest[unit_start:at])
        if unit is None or not number.strip(".") or number.count(".") > 1:
            return None
        total += float(number) * unit
    return sign * int(total) if rest else None
