"""Sizes as Docker's flags take them."""

from __future__ import annotations

import re

_FORM = r"([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)i?b?"
_POWERS = " kmgtp"
LIMIT = 1 << 60


def parse_size(text: str) -> int:
    """Bytes of "64m", "1.5g", "100kb", "4096": powers of 1024 whatever the spelling. Raises ValueError."""
    match = re.fullmatch(_FORM, text.strip(), re.IGNORECASE | re.ASCII)
    if not match or len(text) > 30:
        raise ValueError(f"{text[:40]!r} is no size: write it as 64m, 1g or in bytes")
    size = int(float(match[1]) * 1024 ** _POWERS.index(match[2].lower() or " "))
    if size > LIMIT:
        raise ValueError(f"{text!r} is more than any machine has")
    return size
