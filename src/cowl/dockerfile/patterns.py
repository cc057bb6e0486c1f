"""Shell patterns inside `${x#p}`, `${x%p}` and `${x/p/r}`: `*`, `?` and backslash, no brackets.

No regular expression with several stars is ever run: a pattern is cut at its stars into pieces of fixed
length, and these are looked for one after the other, which is linear in the value for every pattern.
"""

from __future__ import annotations

import re


class BadPattern(ValueError):
    """A pattern with a backslash before a character that needs none."""


def without_prefix(value: str, pattern: str, greedy: bool) -> str:
    """`value` without the shortest (or, `greedy`, the longest) beginning that `pattern` matches."""
    end = _anchored_end(value, _parse(pattern), greedy)
    return value if end is None else value[end:]


def without_suffix(value: str, pattern: str, greedy: bool) -> str:
    """`value` without the shortest (or longest) end that `pattern` matches."""
    end = _anchored_end(value[::-1], _mirrored(_parse(pattern)), greedy)
    return value if end is None else value[: len(value) - end]


def replaced(value: str, pattern: str, replacement: str, everywhere: bool, limit: int) -> str:
    """`value` with the first (or every) longest match of `pattern` replaced.

    Raises BadPattern when the outcome would be longer than `limit`.
    """
    pieces = _parse(pattern)
    out: list[str] = []
    at = size = 0
    while at <= len(value):
        span = _search(value, pieces, at)
        if span is None:
            break
        start, end = span
        size += start - at + len(replacement) + 1
        if size > limit:
            raise BadPattern(f"a replacement makes more than {limit} characters")
        out += (value[at:start], replacement)
        at = end
        if start == end:  # an empty match: step over one character
            out.append(value[end : end + 1])
            at += 1
        if not everywhere:
            break
    return "".join(out) + value[at:]


_Piece = list[str | None]  # characters; None is any character


def _parse(pattern: str) -> list[_Piece]:
    """The pieces of a pattern between its stars; n stars make n + 1 pieces, some of them empty."""
    pieces: list[_Piece] = [[]]
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            pieces.append([])
        elif character == "?":
            pieces[-1].append(None)
        elif character == "\\" and pattern[at : at + 1] in ("}", "/"):
            continue  # the backslash only hid it from ${}
        elif character == "\\":
            if pattern[at : at + 1] not in ("*", "?", "\\"):
                raise BadPattern(f"a pattern can't have a backslash before {pattern[at : at + 1]!r}")
            pieces[-1].append(pattern[at])
            at += 1
        else:
            pieces[-1].append(character)
    return pieces


def _mirrored(pieces: list[_Piece]) -> list[_Piece]:
    return [piece[::-1] for piece in reversed(pieces)]


def _compile(piece: _Piece) -> re.Pattern[str]:
    return re.compile("".join("." if c is None else re.escape(c) for c in piece), re.DOTALL)


def _anchored_end(value: str, pieces: list[_Piece], greedy: bool) -> int | None:
    """Where the shortest or longest match that starts at 0 ends, or None."""
    first = _compile(pieces[0]).match(value)
    return None if first is None else _chain_end(value, pieces[1:], first.end(), greedy)


def _search(value: str, pieces: list[_Piece], at: int) -> tuple[int, int] | None:
    """The leftmost longest match from `at` on. If the first place of the first piece fails, all do."""
    first = _compile(pieces[0]).search(value, at)
    if first is None:
        return None
    end = _chain_end(value, pieces[1:], first.end(), True)
    return None if end is None else (first.start(), end)


def _chain_end(value: str, pieces: list[_Piece], at: int, greedy: bool) -> int | None:
    """The end of `pieces`, each somewhere behind the one before; the last as late as can be if `greedy`."""
    for piece in pieces[:-1] if greedy else pieces:
        found = _compile(piece).search(value, at)
        if found is None:
            return None
        at = found.end()
    if not greedy or not pieces:
        return at
    last = _compile(pieces[-1][::-1]).search(value[at:][::-1])
    return None if last is None else len(value) - last.start()
