"""Wildcards: a matcher for globs whose time is bounded for every pattern.

Patterns with one or two stars become regular expressions. Backtracking takes exponential time on patterns
like `*a*a*a*b`, so the others are run as a set of positions: those that a prefix of the path can reach
are the bits of one integer, and a step is a few operations however many stars there are.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

# A token: a literal character, or one of these.
ANY = "any"  # `?`: one character but the slash
STAR = "star"  # `*`: any number of characters but the slash
ALL = "all"  # any number of characters, slashes too
FOLDERS = "folders"  # `**/`: nothing, or anything up to a slash


class CharacterClass:
    """`[a-z]`: one character in the ranges, or outside of them when `negated`, slashes included as in Go."""

    def __init__(self, ranges: Sequence[tuple[str, str]], negated: bool) -> None:
        self._ranges = tuple(ranges)
        self._negated = negated

    def regex(self) -> str:
        """The same as a regular expression. A range that is upside down holds nothing."""
        inside = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in self._ranges if low <= high)
        if not inside:
            return "." if self._negated else "(?!)"
        return f"[{'^' * self._negated}{inside}]"

    def holds(self, character: str) -> bool:
        inside = any(low <= character <= high for low, high in self._ranges)
        return inside != self._negated


if TYPE_CHECKING:
    Token: TypeAlias = str | CharacterClass


class Wildcard:
    """A compiled pattern."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._regex = _regex(tokens)
        steps: list[Token] = []
        for token in tokens:
            steps.extend((ALL, "/") if token is FOLDERS else (token,))
        self._steps = steps
        self._end = 1 << len(steps)
        self._skip_one = sum(1 << i for i, step in enumerate(steps) if step is STAR or step is ALL)
        self._skip_two = 0
        at = 0
        for token in tokens:
            if token is FOLDERS:
                self._skip_two |= 1 << at
            at += 2 if token is FOLDERS else 1
        self._loops_all = sum(1 << i for i, step in enumerate(steps) if step is ALL)
        self._loops = self._loops_all | sum(1 << i for i, step in enumerate(steps) if step is STAR)
        self._takes: dict[str, int] = {}

    def matches(self, path: str) -> bool:
        """Whether the whole of `path` matches."""
        if self._regex is not None:
            return self._regex.fullmatch(path) is not None
        return bool(self.reach(path) & self._end)

    def reach(self, path: str) -> int:
        """The positions reached after `path`, as bits; 0 when nothing that begins so can match."""
        state = self._closed(1)
        for character in path:
            step = (state & self._taking(character)) << 1
            state = self._closed(step | (state & (self._loops_all if character == "/" else self._loops)))
            if not state:
                return 0
        return state

    def may_match_below(self, folder: str) -> bool:
        """Whether some path under `folder` can match."""
        return bool(self.reach(folder + "/") if folder else 1)

    def _closed(self, state: int) -> int:
        while True:
            wider = state | (state & self._skip_one) << 1 | (state & self._skip_two) << 2
            if wider == state:
                return state
            state = wider

    def _taking(self, character: str) -> int:
        """The positions whose token takes `character`."""
        if character not in self._takes:
            self._takes[character] = sum(
                1 << i for i, step in enumerate(self._steps) if _takes(step, character)
            )
        return self._takes[character]


def _regex(tokens: Sequence[Token]) -> re.Pattern[str] | None:
    """The pattern as a regular expression, or None when it has too many stars for one."""
    if sum(token in (STAR, ALL, FOLDERS) for token in tokens if isinstance(token, str)) > 2:
        return None
    known = {ANY: "[^/]", STAR: "[^/]*", ALL: ".*", FOLDERS: "(?:.*/)?"}
    parts = (
        token.regex() if isinstance(token, CharacterClass) else known.get(token) or re.escape(token)
        for token in tokens
    )
    return re.compile("".join(parts), re.DOTALL)


def _takes(step: Token, character: str) -> bool:
    if isinstance(step, CharacterClass):
        return step.holds(character)
    return character != "/" if step is ANY else step == character
