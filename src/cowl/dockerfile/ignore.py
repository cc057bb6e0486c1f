"""The .dockerignore file: Docker's pattern rules as a pure matcher of paths.

One pattern a line: `*`, `?`, `[a-z]` and backslash as in COPY, `**` for any number of folders; leading and
trailing slashes mean nothing; a `#` in the first column starts a comment; `!` takes back what an earlier
line excluded. A path is matched when the pattern matches it or a folder above it; the last line that matches
decides. https://docs.docker.com/build/concepts/context/#dockerignore-files, github.com/moby/patternmatcher
"""

from __future__ import annotations

import posixpath

from cowl.dockerfile.diagnostics import DockerfileError, excerpt_of
from cowl.dockerfile.globs import BadGlob, token_at
from cowl.dockerfile.wildcards import ALL, FOLDERS, STAR, Wildcard
from cowl.dockerfile.words import SPACE
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl.dockerfile.wildcards import Token


_PATH_MAX = 4096  # a longer path can't exist, so it is not worth the time


class Pattern(Value):
    """One line: its number (from 1), the pattern as written, cleaned, and whether `!` stood before it."""

    line: int
    text: str
    cleaned: str
    negated: bool


class Matcher:
    """Tells which paths of a context are left out. Paths are relative, with `/`, without `./`.

    Remembers what it found for folders, so asking for the files of a tree in order is cheap.
    """

    def __init__(self, path: str, patterns: Iterable[Pattern]) -> None:
        self.path = path
        self.patterns = tuple(patterns)
        self._wildcards = tuple(_compile(pattern.cleaned) for pattern in self.patterns)
        self._folders: dict[str, int] = {"": 0}
        self._kept = sum(1 << i for i, pattern in enumerate(self.patterns) if pattern.negated)

    def excluded(self, path: str) -> bool:
        """Whether `path`, a file or a folder, is left out. The context itself ("" or ".") never is."""
        return self.reason(path) is not None

    def reason(self, path: str) -> Pattern | None:
        """The pattern that excludes `path`, or None when it is not excluded."""
        decider = self._decider(self._matched(path))
        return None if decider < 0 or self.patterns[decider].negated else self.patterns[decider]

    def prunable(self, folder: str) -> bool:
        """Whether everything in and below `folder` is excluded, so that it need not be looked into."""
        decider = self._decider(self._matched(folder))
        if decider < 0 or self.patterns[decider].negated:
            return False
        later = self._kept >> decider
        return not later or not any(
            later >> (i - decider) & 1 and self._wildcards[i].may_match_below(folder)
            for i in range(decider + 1, len(self.patterns))
        )

    def _decider(self, matched: int) -> int:
        """The index of the last pattern that matched, or -1."""
        return matched.bit_length() - 1

    def _matched(self, path: str) -> int:
        """The patterns that match `path` or a folder above it, as bits."""
        if not path or path == "." or len(path) > _PATH_MAX:
            return 0
        head = path.rpartition("/")[0]
        if head in self._folders:
            return self._with_own(path, self._folders[head])
        matched = 0
        parts = head.split("/") if head else []
        for count in range(1, len(parts) + 1):
            folder = "/".join(parts[:count])
            if folder not in self._folders:
                self._folders[folder] = self._with_own(folder, matched)
            matched = self._folders[folder]
        return self._with_own(path, matched)

    def _with_own(self, path: str, matched: int) -> int:
        for index, wildcard in enumerate(self._wildcards):
            if not matched >> index & 1 and wildcard.matches(path):
                matched |= 1 << index
        return matched


def parse_ignore(text: str | bytes, path: str = ".dockerignore") -> Matcher:
    """The matcher of a .dockerignore; `path` only names it. Raises DockerfileError for a bad pattern."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    patterns = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        written = line.strip(SPACE)
        if line.startswith("#") or not written:
            continue
        negated = written.startswith("!")
        cleaned = _cleaned(written[negated:].strip(SPACE))
        if not cleaned or (negated and cleaned == "/"):
            raise _error(path, number, line, "a ! alone excludes nothing and takes nothing back")
        patterns.append(Pattern(number, written, cleaned, negated))
        try:
            _tokens(cleaned)
        except BadGlob:
            raise _error(path, number, line, _malformed(cleaned)) from None
    return Matcher(path, patterns)


def matcher(texts: Iterable[str]) -> Matcher:
    """The matcher of patterns that stand in no file: those of --exclude and --parents. Raises BadGlob."""
    patterns = []
    for text in texts:
        negated = text.startswith("!")
        patterns.append(Pattern(0, text, _cleaned(text[negated:].strip(SPACE)), negated))
    return Matcher("", patterns)


def _cleaned(text: str) -> str:
    """Go's filepath.Clean, and no leading slash; "" for nothing. Docker trims blanks once more after it."""
    while text:
        cleaned = (posixpath.normpath(text).lstrip("/") or "/").strip(SPACE)
        if cleaned == text:
            break
        text = cleaned
    return text


def _malformed(pattern: str) -> str:
    why = "it ends in a backslash" if pattern.endswith("\\") else "its [ is not closed"
    return f"this pattern is malformed: {why}"


def _error(path: str, number: int, line: str, reason: str) -> DockerfileError:
    column = len(line) - len(line.lstrip(SPACE)) + 1
    excerpt = excerpt_of(line, number, column, len(line.strip(SPACE)))
    hint = "Write [[] for a [ itself." if "[" in line else ""
    return DockerfileError(reason, path=path, line=number, column=column, excerpt=excerpt, hint=hint)


class _Literal:
    """A pattern without wildcards, by far the most frequent kind."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._folder = text + "/"

    def matches(self, path: str) -> bool:
        return path == self._text

    def may_match_below(self, folder: str) -> bool:
        return not folder or self._text.startswith(folder + "/")


def _compile(pattern: str) -> Wildcard | _Literal:
    tokens = _tokens(pattern)
    if all(isinstance(token, str) and len(token) == 1 for token in tokens):
        return _Literal("".join(map(str, tokens)))
    return Wildcard(tokens)


def _tokens(pattern: str) -> list[Token]:
    if pattern.startswith("**") and not set(pattern[2:]) & set("*?[]\\/"):
        return [ALL, *pattern[2:]]  # `**name` matches any path that ends so, `**name*` does not
    tokens: list[Token] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*" and pattern.startswith("*", at):
            at += 2 if pattern.startswith("/", at + 1) else 1
            tokens.append(FOLDERS if at < len(pattern) else ALL)
        elif character == "*":
            tokens.append(STAR)
        else:
            token, at = token_at(pattern, at - 1)
            tokens.append(token)
    return tokens
