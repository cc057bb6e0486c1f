"""KEY=value words: labels, environments and files of them."""

from __future__ import annotations

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class InvalidEnvironment(Invalid):
    """A variable, or a line of an --env-file, that is none."""


def pairs(words: Iterable[str]) -> dict[str, str]:
    """Words to a mapping; a word without "=" has the empty value, as labels do."""
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        found[key] = value
    return found


def labels(words: Iterable[str], files: Sequence[str]) -> dict[str, str]:
    """The labels of --label-file and -l, these last; a line without "=" is none, as for Docker.

    Raises InvalidEnvironment, OSError.
    """
    lines = [line for path in files for line in _lines(path) if "=" in line]
    return pairs((*lines, *words))


def environment(words: Sequence[str], files: Sequence[str], host: Mapping[str, str]) -> list[str]:
    """The "KEY=value" words of --env-file and -e, these last: they win.

    "KEY" alone takes the value that `host` has, and is dropped where it has none. Raises
    InvalidEnvironment, OSError.
    """
    lines = [line for path in files for line in _lines(path)]
    found = []
    for word in (*lines, *words):
        key, equals, _ = word.partition("=")
        if not key:
            raise InvalidEnvironment(f"invalid environment variable: {word!r}: it has no name")
        if equals:
            found.append(word)
        elif key in host:
            found.append(f"{key}={host[key]}")
    return found


def _lines(path: str) -> list[str]:
    """The variables of an --env-file: a line each, # begins a comment line, values are taken as they are."""
    with open(path, "rb") as file:
        raw = file.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidEnvironment(f"{path}: not UTF-8 at byte {error.start}") from None
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        word = line.removesuffix("\r").lstrip()
        if not word or word.startswith("#"):
            continue
        name = word.partition("=")[0]
        if any(char.isspace() for char in name):
            raise InvalidEnvironment(f"{path}:{number}: variable {name!r} contains white space")
        if not name:
            raise InvalidEnvironment(f"{path}:{number}: no variable name on line {word!r}")
        found.append(word)
    return found
