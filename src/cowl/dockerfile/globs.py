"""Globs of COPY and ADD sources: exactly Go's filepath.Match on Linux.

`*` any characters but `/`; `?` one of them; `[a-z]` and `[^a-z]` one of a class, which may be a `/`; a
backslash takes the next character as it is. https://pkg.go.dev/path/filepath#Match
"""

from __future__ import annotations

from cowl.dockerfile.wildcards import ANY, STAR, CharacterClass, Wildcard
from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.dockerfile.wildcards import Token


class BadGlob(Invalid):
    """A pattern that Go's filepath.Match refuses: a class that is not closed, a backslash at the end."""

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"the pattern {pattern!r} is malformed",
            hint="A [ needs its ]; write [[] for the character itself.",
        )
        self.pattern = pattern


def match(pattern: str, path: str) -> bool:
    """Whether all of `path` matches. Raises BadGlob. For many paths use `compile_glob`."""
    return compile_glob(pattern).matches(path)


def compile_glob(pattern: str) -> Wildcard:
    """The pattern made ready for `.matches(path)`. Raises BadGlob."""
    return Wildcard(glob_tokens(pattern))


def has_wildcards(path: str) -> bool:
    """Whether `path` holds a `*`, `?` or `[` that no backslash hides: else it names one file, literally."""
    at = 0
    while at < len(path):
        if path[at] in "*?[":
            return True
        at += 2 if path[at] == "\\" else 1
    return False


def split_wildcards(path: str) -> tuple[str, str]:
    """(the leading folders without wildcards, the rest): `a/b/*.c/d` gives ("a/b", "*.c/d").

    The pattern has to be matched only against the tree below the first part.
    """
    parts = path.split("/")
    plain = next((i for i, part in enumerate(parts) if has_wildcards(part)), len(parts))
    return "/".join(parts[:plain]), "/".join(parts[plain:])


def glob_tokens(pattern: str) -> list[Token]:
    """The tokens of one pattern. Raises BadGlob."""
    tokens: list[Token] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "*":
            at += 1
            if not tokens or tokens[-1] is not STAR:
                tokens.append(STAR)
        else:
            token, at = token_at(pattern, at)
            tokens.append(token)
    return tokens


def token_at(pattern: str, at: int) -> tuple[Token, int]:
    """The token that begins at `at`, where no `*` stands, and the offset behind it. Raises BadGlob."""
    character = pattern[at]
    at += 1
    if character == "?":
        return ANY, at
    if character == "[":
        return character_class(pattern, at)
    if character != "\\":
        return character, at
    if at == len(pattern):
        raise BadGlob(pattern)
    return pattern[at], at + 1


def character_class(pattern: str, at: int) -> tuple[CharacterClass, int]:
    """The class that begins behind `[`, and the offset behind its `]`. Raises BadGlob."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[str, str]] = []
    while not (pattern.startswith("]", at) and ranges):
        low, at = _class_character(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_character(pattern, at + 1)
        ranges.append((low, high))
    return CharacterClass(ranges, negated), at + 1


def _class_character(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at : at + 1] in ("", "-", "]"):
        raise BadGlob(pattern)
    if pattern[at] == "\\":
        at += 1
    if at + 1 >= len(pattern):  # something must follow: the closing bracket at least
        raise BadGlob(pattern)
    return pattern[at], at + 1
