"""Values printed as Go's fmt prints them."""

from __future__ import annotations

import re

from cowl.cli.text import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_VERB = re.compile(r"%([-+# 0]*)(\d+)?(?:\.(\d+))?(.)", re.DOTALL)
_KINDS = {bool: "bool", int: "int", float: "float64", str: "string", list: "[]interface {}"}


def shown(value: Any) -> str:
    """%v: `[a b]`, `map[k:v]` with sorted keys, `<nil>`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{shown(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(shown(item) for item in value) + "]"
    return str(value)


def _float(value: float) -> str:
    """%v of a float64: shortest form, an exponent below 1e-4 and from 1e21 on."""
    if value in (float("inf"), float("-inf")) or value != value:
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return re.sub(r"e([+-])0?(\d)$", r"e\g<1>0\2", repr(value))


def joined(values: Sequence[Any], *, spaces: bool = False) -> str:
    """fmt.Sprint, which puts a space between two operands that are no strings; Sprintln's always does."""
    parts: list[str] = []
    for at, value in enumerate(values):
        both = at > 0 and not isinstance(value, str) and not isinstance(values[at - 1], str)
        if at > 0 and (spaces or both):
            parts.append(" ")
        parts.append(shown(value))
    return "".join(parts)


def formatted(layout: str, values: Sequence[Any]) -> str:
    """fmt.Sprintf for %v %s %q %d %x %t %f %g %%, with flags, width and precision."""
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        text = _verb(verb, rest.pop(0), flags, precision)
        return _padded(text, flags, int(width or 0))

    result = _VERB.sub(one, layout)
    if rest:
        extra = ", ".join(f"{_kind(value)}={shown(value)}" for value in rest)
        result += f"%!(EXTRA {extra})"
    return result


def _padded(text: str, flags: str, width: int) -> str:
    if "-" in flags:
        return text.ljust(width)
    return text.zfill(width) if "0" in flags else text.rjust(width)


def _verb(verb: str, value: Any, flags: str, precision: str | None) -> str:
    if verb in "vs" and (verb == "v" or not isinstance(value, (bool, int, float))):
        text = shown(value)
        return text if precision is None or not isinstance(value, str) else text[: int(precision)]
    if verb == "q" and isinstance(value, str):
        return quoted(value)
    if verb == "q" and isinstance(value, (list, tuple)):
        return "[" + " ".join(_verb("q", item, flags, None) for item in value) + "]"
    if verb == "d" and isinstance(value, int) and not isinstance(value, bool):
        return f"{value:+d}" if "+" in flags else str(value)
    if verb == "t" and isinstance(value, bool):
        return shown(value)
    if verb in "xX" and isinstance(value, int) and not isinstance(value, bool):
        return f"{value:{verb}}"
    if verb in "xX" and isinstance(value, str):
        return f"{value.encode().hex()}"
    if verb in "feg" and isinstance(value, float):
        return f"{value:.{precision or 6}{verb}}" if verb != "g" or precision else _float(value)
    return f"%!{verb}({_kind(value)}={shown(value)})"


def _kind(value: Any) -> str:
    if value is None:
        return "<nil>"
    return _KINDS.get(type(value), "map[string]interface {}")
