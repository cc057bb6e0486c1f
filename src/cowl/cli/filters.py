"""--filter: what Docker's filters mean, for the keys that a listing knows."""

from __future__ import annotations

import re

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


EVENT_FILTERS = ("container", "event", "image", "label", "network", "scope", "type", "volume")


class InvalidFilter(Invalid):
    """A filter that is not key=value, or whose key or value the listing does not know."""


def parse(words: Sequence[str], known: Sequence[str]) -> dict[str, list[str]]:
    """ "key=value" words by key; a key may come several times. Raises InvalidFilter."""
    found: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        key = key.strip().lower()
        if not equals:
            raise InvalidFilter(f"invalid filter {word!r}: it must be key=value")
        if key not in known:
            raise InvalidFilter(f"invalid filter '{key}'", hint=f"The filters are {', '.join(known)}.")
        found.setdefault(key, []).append(value.strip())
    return found


def boolean(values: Sequence[str]) -> bool:
    """The value of a filter that is true or false. Raises InvalidFilter."""
    truths = {value.lower() in ("1", "true") for value in values}
    if len(truths) != 1 or not all(value.lower() in ("0", "1", "true", "false") for value in values):
        raise InvalidFilter(f"invalid filter value {' and '.join(values)}: it must be true or false")
    return truths.pop()


def labels_match(wanted: Sequence[str], labels: Mapping[str, str]) -> bool:
    """Every wanted "key" or "key=value" is among the labels."""
    for word in wanted:
        key, equals, value = word.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True


def pattern(glob: str) -> re.Pattern[str]:
    """A shell pattern as Go's path.Match has it: * and ? stop at a slash. Raises InvalidFilter."""
    body = ""
    at = 0
    while at < len(glob):
        char = glob[at]
        end = glob.find("]", at + 2) if char == "[" else -1
        if char == "*":
            body += "[^/]*"
        elif char == "?":
            body += "[^/]"
        elif end > 0:
            body += glob[at : end + 1].replace("\\", "\\\\")
            at = end
        else:
            body += re.escape(char)
        at += 1
    try:
        return re.compile(f"{body}\\Z")
    except re.error:
        raise InvalidFilter(f"invalid pattern {glob!r}") from None


def expression(text: str) -> re.Pattern[str]:
    """A regular expression, as Docker's name and id filters take; a plain text where it is none."""
    try:
        return re.compile(text)
    except re.error:
        return re.compile(re.escape(text))
