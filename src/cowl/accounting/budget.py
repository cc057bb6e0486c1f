"""Budgets: how much an image may take and waste, and by how much one goes beyond it. Pure."""

from __future__ import annotations

import re

from cowl.errors import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.accounting.explanation import Explanation

SIZES, NUMBERS = ("size", "wasted", "duplicates"), ("layers", "files")
EFFICIENCY = "efficiency"
LIMITS = (*SIZES, *NUMBERS, EFFICIENCY)
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)(i?)b?", re.IGNORECASE | re.ASCII)
_POWERS = " kmgtp"
_MOST = 1 << 60


class InvalidBudget(Invalid):
    """A budget that can't be understood. Field: text. Its exit status is that of a usage error."""

    exit_status = 125

    def __init__(self, text: str, why: str) -> None:
        super().__init__(
            f"invalid budget {text[:80]!r}: {why}",
            hint=f"Limits are {', '.join(LIMITS)}; such as wasted=20MB,size=300MB,efficiency=0.95,layers=12.",
        )
        self.text = text


class Excess(Value):
    """A limit that does not hold. `allowed` and `found` in its unit: bytes, a number, a share."""

    limit: str
    allowed: float
    found: float

    @property
    def by(self) -> float:
        """How far beyond it is, always positive."""
        return abs(self.found - self.allowed)


class Budget(Value):
    """Upper limits; of `efficiency` a lower one. None is no limit.

    size        bytes of all layers; wasted: of what later layers hide; duplicates: of what is there twice
    layers      how many there may be, and how many visible files
    efficiency  least share of the bytes that must be visible, 0 to 1
    """

    size: int | None = None
    wasted: int | None = None
    duplicates: int | None = None
    layers: int | None = None
    files: int | None = None
    efficiency: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """The budget of "wasted=20MB,size=300MB,efficiency=95%"; MB is 10**6, MiB 2**20.

        Raises InvalidBudget.
        """
        found: dict[str, int | float] = {}
        for part in text.split(","):
            name, equals, value = (word.strip() for word in part.partition("="))
            if name not in LIMITS:
                raise InvalidBudget(text, f"there is no limit {name[:40]!r}")
            if not equals or not value:
                raise InvalidBudget(text, f"{name} has no value")
            if name in found:
                raise InvalidBudget(text, f"{name} is there twice")
            found[name] = _value(text, name, value)
        return cls(**found)  # type: ignore[arg-type]  # sizes and numbers are whole

    def exceeded(self, explanation: Explanation) -> tuple[Excess, ...]:
        """The limits that an image or a container does not hold, in the order of LIMITS."""
        return tuple(self._exceeded(explanation))

    def _exceeded(self, explanation: Explanation) -> Iterator[Excess]:
        figures = {
            "size": explanation.size_bytes,
            "wasted": explanation.shadowed_bytes,
            "duplicates": explanation.duplicate_bytes,
            "layers": len(explanation.layers),
            "files": explanation.files,
            EFFICIENCY: explanation.efficiency,
        }
        for name, found in figures.items():
            allowed = getattr(self, name)
            if allowed is not None and (found < allowed if name == EFFICIENCY else found > allowed):
                yield Excess(name, allowed, found)


def _value(text: str, name: str, value: str) -> int | float:
    if name in SIZES:
        return _size(text, value)
    if name in NUMBERS:
        if not value.isascii() or not value.isdecimal() or len(value) > 15:
            raise InvalidBudget(text, f"{value[:40]!r} is no whole number")
        return int(value)
    return _share(text, value)


def _size(text: str, value: str) -> int:
    match = _SIZE.fullmatch(value) if len(value) <= 30 else None
    if match is None:
        raise InvalidBudget(text, f"{value[:40]!r} is no size: write it as 20MB, 1.5GiB or in bytes")
    unit: int = (1024 if match[3] else 1000) ** _POWERS.index(match[2].lower() or " ")
    number = float(match[1]) * unit
    if number > _MOST:
        raise InvalidBudget(text, f"{value!r} is more than any machine has")
    return round(number)


def _share(text: str, value: str) -> float:
    digits = value.removesuffix("%")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?|\.[0-9]+", digits, re.ASCII) or len(digits) > 20:
        raise InvalidBudget(text, f"{value[:40]!r} is no share: write it as 0.95 or 95%")
    share = float(digits) / (100 if value.endswith("%") else 1)
    if share > 1:
        raise InvalidBudget(text, f"{value!r} is more than all of it")
    return share
