"""Where a container's output is kept: log drivers and their options. Pure."""

from __future__ import annotations

from cowl.container.words import InvalidOptions
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

JSON_FILE, NONE = "json-file", "none"
DRIVERS = (JSON_FILE, NONE)
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "p": 1000**5}


class LogRotation(Value):
    """When a log is full (0: never), and how many files there are with the one that is written."""

    max_bytes: int = 0
    max_files: int = 1


def parse_log(driver: str, options: Sequence[tuple[str, str]]) -> LogRotation:
    """Checks --log-driver and --log-opt. Raises InvalidOptions, in Docker's words where it has some."""
    if driver not in DRIVERS:
        raise InvalidOptions(
            f"logger: no log driver named {driver!r} is registered", hint=f"cowl has {' and '.join(DRIVERS)}"
        )
    given = dict(options)
    known = ("max-size", "max-file") if driver == JSON_FILE else ()
    strange = next((name for name in given if name not in known), "")
    if strange:
        hint = f"it knows {' and '.join(known)}" if known else "it keeps nothing, so it has no options"
        raise InvalidOptions(f"unknown log opt {strange!r} for {driver} log driver", hint=hint)
    return LogRotation(_max_size(given.get("max-size", "")), _max_file(given.get("max-file", "")))


def _max_size(text: str) -> int:
    """ "10m" in decimal units, as Docker counts them here; "" and "-1" are no bound."""
    if text in ("", "-1"):
        return 0
    lower = text.strip().lower().removesuffix("b")
    number = lower.rstrip("kmgtp")
    factor = _UNITS.get(lower[len(number) :].strip())
    try:
        size = int(float(number) * (factor or 0))
    except (ValueError, OverflowError):
        factor = None
    if factor is None:
        raise InvalidOptions(
            f"invalid value for max-size: {text!r}", hint="write a number and k, m or g: 10m"
        )
    if size <= 0:
        raise InvalidOptions("invalid value for max-size: must be a positive number")
    return size


def _max_file(text: str) -> int:
    if not text:
        return 1
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise InvalidOptions(f"invalid value for max-file: {text!r}", hint="write a number, 1 or more")
    if int(text) < 1:
        raise InvalidOptions("invalid value for max-file: must be 1 or more")
    return int(text)
