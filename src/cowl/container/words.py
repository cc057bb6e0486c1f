"""Words that a caller gives: what they may be, and the one error for what makes no sense."""

from __future__ import annotations

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class InvalidOptions(Invalid):
    """An option of run, start or exec that makes no sense, or that cowl does not have yet."""


def as_words(what: str, value: Sequence[str]) -> tuple[str, ...]:
    """A tuple of words. Raises InvalidOptions for a bare string, which would be taken for its letters."""
    if isinstance(value, (str, bytes)):
        raise InvalidOptions(
            f"{what} is one string, {value!r}, where a list of words belongs",
            hint="write ['echo', 'hi']; for a shell ['sh', '-c', 'echo hi']",
        )
    return tuple(value)


def check_text(word: str) -> None:
    """Raises InvalidOptions for what can't be a C string in UTF-8."""
    if "\0" in word:
        raise InvalidOptions(f"a NUL byte in {word!r}")
    try:
        word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidOptions(f"{word!r} can't be written in UTF-8") from None


def words(pairs: Mapping[str, str] | Sequence[str], what: str = "the environment") -> tuple[str, ...]:
    """A mapping, or "KEY=value" words, as words."""
    if isinstance(pairs, dict) or hasattr(pairs, "items"):
        return tuple(f"{key}={value}" for key, value in pairs.items())
    return as_words(what, pairs)


def label_pairs(labels: Mapping[str, str] | Sequence[str]) -> tuple[tuple[str, str], ...]:
    """A mapping, or "KEY=value" words, as pairs; of equal keys the last. A word without "=" has no value."""
    split = (word.partition("=") for word in words(labels, "labels"))
    return tuple({key: value for key, _, value in split}.items())
