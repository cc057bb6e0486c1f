"""Durations as Go writes them: `1m30s`, `500ms`, `1.5h`."""

from __future__ import annotations

import re

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9}
_UNITS |= {"m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_LIMIT = 2**63 - 1


def parse_duration(text: str) -> int:
    """Nanoseconds. Raises ValueError for what Go's time.ParseDuration refuses."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    total = at = 0
    while at < len(rest) and at < 200:
        match = _PART.match(rest, at)
        if not match or not (match[1] or match[2]):
            raise ValueError(text)
        scale = _UNITS[match[3]]
        fraction = (match[2] or "")[:30]
        total += int(match[1][:30] or 0) * scale + int(fraction or 0) * scale // 10 ** len(fraction)
        at = match.end()
    if not rest or at < len(rest) or total > _LIMIT:
        raise ValueError(text)
    return sign * total
