"""History: the created_by texts, as BuildKit's Dockerfile front end writes them."""

from __future__ import annotations

from cowl.oci.image_config import History

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cowl.build.state import State
    from cowl.dockerfile.nodes import Transfer

# The name of this way of writing history; tools that read Dockerfiles back out of images look for it.
COMMENT = "buildkit.dockerfile.v0"
_FILES = " # buildkit"  # what BuildKit adds to instructions that made files


def told(state: State, text: str, *, layer: bool = False) -> State:
    """`state` with one more history entry; its time is filled in by `assemble`."""
    entry = History(created_by=text, comment=COMMENT, empty_layer=not layer)
    return state.replace(image=state.image.replace(history=(*state.image.history, entry)))


def run_text(args: Sequence[str], arguments: Iterable[tuple[str, str]], environment: dict[str, str]) -> str:
    """`RUN |1 A=b /bin/sh -c ... # buildkit`: the ARGs in scope go before the command."""
    words = [f"{name}={environment.get(name, value)}" for name, value in arguments]
    counted = [f"|{len(words)}", *words] if words else []
    return "RUN " + " ".join((*counted, *args)) + _FILES


def transfer_text(node: Transfer) -> str:
    """`COPY --chown=a ./b <<c ./ # buildkit`: the words of a node with its variables in.

    Of the flags those that BuildKit tells: --parents, --chown and --chmod.
    """
    flags = [f"--{name}={value}" for name, value in (("chown", node.chown), ("chmod", node.chmod)) if value]
    parents = ["--parents"] if getattr(node, "parents", False) else []
    inline = [f"<<{heredoc.name}" for heredoc in node.heredocs]
    return " ".join((node.keyword, *parents, *flags, *node.sources, *inline, node.dest)) + _FILES


def pairs_text(keyword: str, pairs: Iterable[tuple[str, str]]) -> str:
    """`ENV A=b C=d`"""
    return " ".join((keyword, *(f"{name}={value}" for name, value in pairs)))


def list_text(keyword: str, words: Sequence[str]) -> str:
    """`VOLUME [/a /b]`: Go's %v of a list."""
    return f"{keyword} [{' '.join(words)}]"


def quoted_list_text(keyword: str, words: Sequence[str]) -> str:
    """`CMD ["a" "b"]`: Go's %q of a list."""
    return f"{keyword} {go_list(words)}"


def healthcheck_text(test: Sequence[str], times: Iterable[int], retries: int) -> str:
    """`HEALTHCHECK &{["CMD" "a"] "30s" "0s" "0s" "0s" '\\x03'}`: Go's %q of a struct; times in ns."""
    shown = " ".join(go_quoted(go_duration(time)) for time in times)
    return f"HEALTHCHECK &{{{go_list(test)} {shown} {go_rune(retries)}}}"


def go_quoted(text: str) -> str:
    """A string as Go's %q writes it."""
    return '"' + "".join(map(_go_character, text)) + '"'


def go_list(words: Sequence[str]) -> str:
    """A list of strings as Go's %q writes it: `["a" "b"]`."""
    return f"[{' '.join(map(go_quoted, words))}]"


def go_rune(number: int) -> str:
    """A number as Go's %q writes it: the character of that code, `'\\x03'`."""
    valid = 0 <= number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
    character = chr(number) if valid else "\ufffd"
    if character == '"':
        return "'\"'"
    return "'\\''" if character == "'" else f"'{_go_character(character)}'"


_NAMED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def _go_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_duration(nanoseconds: int) -> str:
    """A time as Go's Duration.String writes it: "1m30s", "1.5s", "500ms", "0s"."""
    if nanoseconds < 1_000_000_000:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if nanoseconds >= size:
                return _decimal(nanoseconds, size) + unit
        return "0s"
    hours, rest = divmod(nanoseconds, 3_600_000_000_000)
    minutes, rest = divmod(rest, 60_000_000_000)
    text = _decimal(rest, 1_000_000_000) + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def _decimal(value: int, unit: int) -> str:
    whole, part = divmod(value, unit)
    fraction = str(part).zfill(len(str(unit)) - 1).rstrip("0")
    return f"{whole}.{fraction}" if part else str(whole)
