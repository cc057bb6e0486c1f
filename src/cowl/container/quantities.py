"""Amounts as Docker's flags take them: bytes, processors, ulimits. Pure."""

from __future__ import annotations

import re

from cowl.container.words import InvalidOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    Amount: TypeAlias = "int | str"
    Ulimit: TypeAlias = "int | str | tuple[int, int]"

ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"),
    *("rtprio", "rttime", "sigpending", "stack"),
)
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?([kmgtp]?)i?b?", re.IGNORECASE | re.ASCII)
_POWERS = " kmgtp"
_MOST_BYTES = (1 << 63) - 1
_BILLION = 10**9


def byte_count(option: str, value: Amount) -> int:
    """Bytes of "64m", "1.5g", "100kb" or a number: powers of 1024 whatever the spelling.

    -1 is itself. Raises InvalidOptions.
    """
    text = str(value).strip()
    if text == "-1":
        return -1
    match = _SIZE.fullmatch(text) if len(text) <= 30 else None
    if match is None:
        raise InvalidOptions(
            f"invalid argument \"{text[:40]}\" for --{option}: invalid size: '{text[:40]}'",
            hint=f"write bytes, or a number with k, m or g: --{option} 64m",
        )
    count = int(float(match[1]) * 1024 ** _POWERS.index(match[2].lower() or " "))
    if count > _MOST_BYTES:
        raise InvalidOptions(f"--{option} {text} is more than any machine has")
    return count


def nano_cpus(value: float | str) -> int:
    """Billionths of a processor of "1.5", "3/2" or a number. Raises InvalidOptions, in Docker's words."""
    from fractions import Fraction

    text = str(value).strip()
    try:
        exact = Fraction(text) * _BILLION
    except (ValueError, ZeroDivisionError):
        raise InvalidOptions(
            f'invalid argument "{text[:40]}" for --cpus: failed to parse {text[:40]} as a rational number',
            hint="write --cpus 1.5",
        ) from None
    if exact.denominator != 1:
        raise InvalidOptions(f'invalid argument "{text[:40]}" for --cpus: value is too precise')
    return int(exact)


def ulimits(given: Mapping[str, Ulimit] | Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """(name, soft, hard) of a mapping, or of words "nofile=1024:2048"; -1 is no limit.

    Raises InvalidOptions.
    """
    named: dict[str, tuple[int, int]] = {}
    for name, value in _ulimit_pairs(given):
        if name not in ULIMITS:
            raise InvalidOptions(f"invalid ulimit type: {name}", hint=f"it is one of {', '.join(ULIMITS)}")
        soft, hard = _ulimit(name, value)
        if hard >= 0 and (soft > hard or soft < 0):
            raise InvalidOptions(
                f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
            )
        named[name] = soft, hard
    return tuple((name, soft, hard) for name, (soft, hard) in named.items())


def _ulimit_pairs(given: Mapping[str, Ulimit] | Sequence[str]) -> Iterator[tuple[str, Ulimit]]:
    if hasattr(given, "items"):
        yield from given.items()
        return
    for word in (given,) if isinstance(given, str) else given:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidOptions(f"invalid ulimit argument: {word}", hint="write --ulimit nofile=1024:2048")
        yield name, value


def _ulimit(name: str, value: Ulimit) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    words = value.split(":") if isinstance(value, str) else [*map(str, value)]
    if len(words) > 2:
        raise InvalidOptions(
            f"too many limit value arguments - {name}={value}, can only have up to two, `soft[:hard]`"
        )
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        raise InvalidOptions(
            f"invalid ulimit argument: {name}={value}", hint="limits are whole numbers, -1 for none"
        ) from None
    if min(numbers) < -1:
        raise InvalidOptions(f"invalid ulimit argument: {name}={value}", hint="-1 is no limit")
    return numbers[0], numbers[-1]


def number_list(option: str, text: str) -> tuple[int, ...]:
    """The numbers of "0-2,4", cpuset(7)'s List format. Raises InvalidOptions."""
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        words = (first, last) if dash else (first, first)
        if not all(word.isascii() and word.isdigit() and len(word) < 7 for word in words):
            raise InvalidOptions(f"Invalid value {text} for {option}", hint="write a list such as 0-2,4")
        low, high = map(int, words)
        if low > high or high - low > 8192:
            raise InvalidOptions(f"Invalid value {text} for {option}", hint="write a list such as 0-2,4")
        numbers += range(low, high + 1)
    return tuple(numbers)
