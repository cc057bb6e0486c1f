"""Differences: what sets a step apart from an earlier form of it, in words. Pure.

The inputs that are compared are those that notes keep, see `cowl.build.notes`. Inputs that this module has
never heard of are told by their names, so that an instruction can gain a part without a word here.
"""

from __future__ import annotations

import json

from cowl.build.masking import is_mark
from cowl.dockerfile.diagnostics import printable
from cowl.events import Difference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

SHOWN = 60  # characters of a value
_WORDS = {
    "cwd": "WORKDIR",
    "dest": "the destination",
    "mode": "--chmod",
    "network": "the network",
    "owner": "--chown",
    "path": "WORKDIR",
    "shell": "SHELL",
    "user": "USER",
}
_ELSEWHERE = ("env", "arguments", "sources")  # told variable by variable, file by file
ABOVE = Difference("step above", "above")


def below_differences(old: Mapping[str, Any], new: Mapping[str, Any], above: bool) -> Iterator[Difference]:
    """What differs below the step. `above`: a step above was made again in this build."""
    if old["below"] == new["below"]:
        return
    if above:
        yield ABOVE
    elif old["base"] == new["base"] and old["image"] == new["image"]:
        yield Difference("other steps above", "order")
    elif old["image"] != new["image"]:
        was, now = shown(old["image"] or "scratch"), shown(new["image"] or "scratch")
        yield Difference(f"base image {was} -> {now}", "base", "base image", "value", was, now)
    elif old["platform"] != new["platform"]:
        was, now = shown(old["platform"]), shown(new["platform"])
        yield Difference(f"platform {was} -> {now}", "base", "platform", "value", was, now)
    else:
        yield Difference("base image changed", "base", shown(new["image"]))


def input_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """What differs in the instruction itself and its variables; the files that it reads are told apart."""
    was, now = old["parts"], new["parts"]
    yield from _command(was, now)
    yield from _variables(old, new)
    for name in sorted({*was, *now} - {"args", "shell", *_ELSEWHERE}):
        if was.get(name) != now.get(name):
            yield _input(name, was.get(name), now.get(name))
    if old.get("generation") != new.get("generation"):
        yield Difference("this version of cowl makes the step in another way", "input", "generation")


def _command(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    old, new = was.get("args", ()), now.get("args", ())
    if old == new:
        return
    shells = [" ".join(parts.get("shell", ())) for parts in (was, now)]
    if all(shells) and shells[0] != shells[1]:
        yield _input("shell", *shells)
        if old[-1:] == new[-1:]:
            return
    texts = [words[-1] if all(shells) and words else " ".join(words) for words in (old, new)]
    yield Difference("command changed", "input", "command", "value", *map(shown, texts))


def _variables(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    was, now = (_pairs(each["parts"].get("env", ())) for each in (old, new))
    for name in sorted({*was, *now}):
        if was.get(name) == now.get(name):
            continue
        kind = "ARG" if name in (new if name in now else old)["arguments"] else "ENV"
        yield _variable(kind, name, was.get(name), now.get(name))


def _variable(kind: str, name: str, old: str | None, new: str | None) -> Difference:
    label = f"{kind} {printable(name)}"
    if old is None or new is None:
        change = "added" if old is None else "removed"
        return Difference(f"{label} {change}", kind.lower(), name, change, shown(old), shown(new))
    if is_mark(old) or is_mark(new):
        return Difference(f"{label} changed (not shown)", kind.lower(), name)
    was, now = shown(old), shown(new)
    return Difference(f"{label} {was} -> {now}", kind.lower(), name, "value", was, now)


def _pairs(words: Any) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)


def _input(name: str, old: object, new: object) -> Difference:
    label = _WORDS.get(name, name)
    was, now = _value(name, old), _value(name, new)
    short = all(value is None or isinstance(value, str | int | bool) for value in (old, new))
    text = f"{label} {was or 'none'} -> {now or 'none'}" if short and was != now else f"{label} changed"
    return Difference(text, "input", name, "value", was, now)


def _value(name: str, value: object) -> str:
    if value is None or value == "":
        return ""
    if name == "mode" and isinstance(value, int):
        return f"{value:o}"
    return shown(value if isinstance(value, str) else json.dumps(value))


def shown(value: str | None) -> str:
    """A value for one line: printable, in quotes if it is empty or has blanks, cut when long."""
    if value is None or is_mark(value):
        return ""
    text = printable(value.replace("\n", " ").replace("\t", " "))
    if len(text) > SHOWN:
        text = text[: SHOWN - 3] + "..."
    return json.dumps(text, ensure_ascii=False) if not text or " " in text else text
