"""Shell patterns inside `${x#p}`, `${x%p}` and `${x/p/r}`: `*`, `?` and backslash, no brackets.

As in Go's regular expressions, which BuildKit makes of them, neither `*` nor `?` takes a newline.
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
    ended = -1
    while at <= len(value):
        span = _search(value, pieces, at)
        if span is None:
            break
        start, end = span
        put = "" if start == end == ended else replacement  # nothing for nothing right behind a match
        size += start - at + len(put) + 1
        if size > limit:
            raise BadPattern(f"a replacement makes more than {limit} characters")
        out += (value[at:start], put)
        at = ended = end
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
    return re.compile("".join("." if c is None else re.escape(c) for c in piece))


def _anchored_end(value: str, pieces: list[_Piece], greedy: bool) -> int | None:
    """Where the shortest or longest match that starts at 0 ends, or None."""
    first = _compile(pieces[0]).match(value)
    return None if first is None else _chain_end(value, pieces[1:], first.end(), greedy)[0]


def _search(value: str, pieces: list[_Piece], at: int) -> tuple[int, int] | None:
    """The leftmost longest match from `at` on.

    Where the first piece fails for want of the others, it fails up to the next newline, which no star
    crosses: what lies behind is looked at once.
    """
    compiled = _compile(pieces[0])
    while True:
        first = compiled.search(value, at)
        if first is None:
            return None
        end, stuck = _chain_end(value, pieces[1:], first.end(), True)
        if end is not None:
            return first.start(), end
        if stuck < 0:
            return None
        at = stuck


def _chain_end(value: str, pieces: list[_Piece], at: int, greedy: bool) -> tuple[int | None, int]:
    """The end of `pieces`, each somewhere behind the one before; the last as late as can be if `greedy`.

    With None: the offset behind the newline that was in the way, or -1 when there is none.
    """
    for piece in pieces[:-1] if greedy else pieces:
        found = _compile(piece).search(value, at)
        newline = value.find("\n", at, found.start() if found else len(value))
        if newline >= 0 or found is None:
            return None, newline + 1 if newline >= 0 else -1
        at = found.end()
    if not greedy or not pieces:
        return at, -1
    newline = value.find("\n", at)
    reach = len(value) if newline < 0 else newline
    if not pieces[-1]:
        return reach, -1
    last = _compile(pieces[-1][::-1]).search(value[at:reach][::-1])
    return (None, newline + 1 if newline >= 0 else -1) if last is None else (reach - last.start(), -1)
