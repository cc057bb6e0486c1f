"""Sizes, durations and dates as Docker prints them (go-units, time.Time.String)."""

from __future__ import annotations

import time

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_DAY = 24


def size(count: float, digits: int = 4) -> str:
    """Decimal units, `digits` significant ones: units.HumanSize (4), HumanSizeWithPrecision (3).

    Where rounding gives 1000 the next unit is taken: Docker prints "1e+03kB" there.
    """
    value, unit = float(count), 0
    while value >= 999 and float(f"{value:.{digits}g}") >= 1000 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    return f"{value:.{digits}g}{_UNITS[unit]}"


def binary_size(count: float) -> str:
    """Binary units, four significant digits: units.BytesSize."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_BINARY_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.4g}{_BINARY_UNITS[unit]}"


def short_size(count: float) -> str:
    """The three digits of `images`, `history` and `ps`."""
    return size(count, 3)


def signed(count: int) -> str:
    """A difference of bytes: "+1.2MB", "-300B", "0B"."""
    sign = "+" if count > 0 else "-" if count < 0 else ""
    return f"{sign}{short_size(abs(count))}"


def duration(seconds: float) -> str:
    """units.HumanDuration: "Less than a second", "About a minute", "3 weeks"."""
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if int(seconds) == 1 else f"{int(seconds)} seconds"
    minutes = int(seconds / 60)
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, hours_each, word in (
        (48, 1, "hours"),
        (_DAY * 14, _DAY, "days"),
        (_DAY * 60, _DAY * 7, "weeks"),
        (_DAY * 730, _DAY * 30, "months"),
    ):
        if hours < limit:
            return f"{hours // hours_each} {word}"
    return f"{int(seconds / 3600) // _DAY // 365} years"


def ago(then: float, now: float) -> str:
    """How long before `now` (both seconds since the epoch), as the CREATED columns say it."""
    return f"{duration(now - then)} ago"


def container_status(state: str, exit_code: int, started_at: float, finished_at: float, now: float) -> str:
    """The STATUS column: "Up 3 seconds", "Exited (0) 2 minutes ago", "Created"."""
    if state in ("running", "paused"):
        return f"Up {duration(now - started_at)}" + (" (Paused)" if state == "paused" else "")
    if state == "restarting":
        return f"Restarting ({exit_code}) {ago(finished_at, now)}"
    if state == "exited":
        return f"Exited ({exit_code}) {ago(finished_at, now)}"
    return state.capitalize()


def date(seconds: float) -> str:
    """Go's time.Time.String of a whole second, in local time: 2024-01-02 15:04:05 +0100 CET."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))


def rfc3339(seconds: float) -> str:
    """RFC 3339 of a whole second, in local time, as `history --human=false` prints it."""
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + ("Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}")


def epoch(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 text; 0 when it is not one (images may say anything)."""
    from datetime import datetime, timezone

    try:
        moment = datetime.fromisoformat(text.upper())
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() // 1  # noqa: UP017
    except (ValueError, OverflowError, OSError):
        return 0.0
