"""Sizes as flags take them: "10GB", "512MiB", "1.5g", or a number of bytes."""

from __future__ import annotations

import re

from cowl import Invalid

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)(i?)b?", re.IGNORECASE)
_POWERS = "kmgtp"


class InvalidSize(Invalid):
    """A text that is no size. Fields: text, flag."""

    def __init__(self, text: str, flag: str) -> None:
        super().__init__(f"invalid size {text!r} for --{flag}", hint='Such as "500MB", "10GB" or "4GiB".')
        self.text = text
        self.flag = flag


def decimal(text: str, flag: str) -> int:
    """Bytes, as cowl shows them: "1kB" is 1000, "1KiB" is 1024. Raises InvalidSize."""
    return _parse(text, flag, 1000)


def binary(text: str, flag: str) -> int:
    """Bytes, as Docker reads flags for memory and storage: "1kB" is 1024 too. Raises InvalidSize."""
    return _parse(text, flag, 1024)


def _parse(text: str, flag: str, base: int) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise InvalidSize(text, flag)
    number, unit, exact = found.groups()
    power = _POWERS.index(unit.lower()) + 1 if unit else 0
    return int(float(number) * (1024 if exact else base) ** power)
