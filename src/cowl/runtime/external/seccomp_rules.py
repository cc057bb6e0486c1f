"""A seccomp profile for libseccomp, which crun and runc use. Pure.

Our own compiler takes the first rule of a call that fits; to libseccomp a rule without arguments is the only
one of its call, whatever else was said: "deny TIOCSTI, allow ioctl" would allow all of it. So an allowance
that comes after refusals is written as rules that meet none of them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Cube: TypeAlias = "tuple[int, int]"  # the values that are `value` where `mask` has a bit
    Box: TypeAlias = "dict[int, Cube]"  # by the argument's index; none: every call

_ALLOW, _MASKED = "SCMP_ACT_ALLOW", "SCMP_CMP_MASKED_EQ"


def without_overlaps(profile: dict[str, Any]) -> dict[str, Any]:
    """The same profile for libseccomp. What has no such rules is given back as it is."""
    refused: dict[str, list[list[tuple[int, Cube]]]] = {}
    rules: list[dict[str, Any]] = []
    for rule in profile.get("syscalls", ()):
        if rule["action"] == _ALLOW and not rule.get("args"):
            rules += _allowances(rule, refused)
            continue
        rules.append(rule)
        conditions = _conditions(rule)
        if rule["action"] != _ALLOW and conditions:
            for name in rule["names"]:
                refused.setdefault(name, []).append(conditions)
    return {**profile, "syscalls": rules} if "syscalls" in profile else profile


def _conditions(rule: dict[str, Any]) -> list[tuple[int, Cube]]:
    """The arguments that a rule asks for; [] where it is not by masks alone."""
    arguments = rule.get("args") or []
    if any(argument["op"] != _MASKED for argument in arguments):
        return []
    return [(item["index"], (item["value"], item["valueTwo"] & item["value"])) for item in arguments]


def _allowances(
    rule: dict[str, Any], refused: dict[str, list[list[tuple[int, Cube]]]]
) -> list[dict[str, Any]]:
    plain = [name for name in rule["names"] if name not in refused]
    rules = [{**rule, "names": plain}] if plain else []
    for name in rule["names"]:
        if name in refused:
            rules += [{**rule, "names": [name], "args": _arguments(box)} for box in _rest(refused[name])]
    return rules


def _rest(refusals: list[list[tuple[int, Cube]]]) -> list[Box]:
    """Boxes that together are every call but the refused ones; no two of them meet."""
    boxes: list[Box] = [{}]
    for refusal in refusals:
        boxes = [piece for box in boxes for piece in _subtract(box, refusal)]
    return boxes


def _subtract(box: Box, refusal: list[tuple[int, Cube]]) -> list[Box]:
    if any(_meet(box.get(index, (0, 0)), cube) is None for index, cube in refusal):
        return [box]
    pieces: list[Box] = []
    inner = box
    for index, cube in refusal:
        known = inner.get(index, (0, 0))
        pieces += [
            {**inner, index: met} for other in _complement(cube) if (met := _meet(known, other)) is not None
        ]
        both = _meet(known, cube)
        assert both is not None
        inner = {**inner, index: both}
    return pieces


def _complement(cube: Cube) -> list[Cube]:
    """The values outside: those that differ first at each of its bits, from the highest."""
    mask, value = cube
    found = []
    for number in reversed(range(mask.bit_length())):
        bit = 1 << number
        if mask & bit:
            higher = mask & ~(bit - 1)
            found.append((higher, (value ^ bit) & higher))
    return found


def _meet(one: Cube, other: Cube) -> Cube | None:
    if (one[1] ^ other[1]) & one[0] & other[0]:
        return None
    return one[0] | other[0], one[1] | other[1]


def _arguments(box: Box) -> list[dict[str, Any]]:
    return [
        {"index": index, "value": mask, "valueTwo": value, "op": _MASKED}
        for index, (mask, value) in box.items()
    ]
