"""Foreign text on a terminal: truncated, quoted, and with no control characters left in it."""

from __future__ import annotations

ID_LENGTH = 12


def visible(text: str) -> str:
    """Control characters as \\x escapes, newline and tab excepted.

    A label, a file name or a registry's message must not move the cursor or retitle the window.
    """
    if text.isprintable():
        return text
    return "".join(char if char in "\n\t" or not _is_control(char) else _escaped(char) for char in text)


def cell(text: str) -> str:
    """`visible` for one cell of a table: newlines and tabs would break the columns."""
    if text.isprintable():
        return text
    return "".join(char if not _is_control(char) else _escaped(char) for char in text)


def path_text(path: str) -> str:
    """A file name for a person: all that is no plain character escaped, bytes that aren't UTF-8 too."""
    if path.isprintable():
        return path
    return "".join(char if char.isprintable() else _escaped_name(char) for char in path)


def _escaped_name(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code < 0xDD00:  # a byte that os.fsdecode could not read
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return _escaped(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _is_control(char: str) -> bool:
    code = ord(char)
    return code < 0x20 or 0x7F <= code < 0xA0


def _escaped(char: str) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char, f"\\x{ord(char):02x}")


def ellipsis(text: str, room: int) -> str:
    """At most `room` columns, the last of them "…" when something was left out (Docker's Ellipsis)."""
    if text.isascii():
        return text if len(text) <= room else text[: room - 1] + "…"
    if columns(text) <= room:
        return text
    taken, used = "", 0
    for char in text:
        used += columns(char)
        if used > room - 1:
            break
        taken += char
    return taken + "…"


def columns(text: str) -> int:
    """How many columns a terminal gives to the text."""
    if text.isascii() or text.replace("…", "").isascii():  # what `ellipsis` cut is no wider
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def short_id(identity: str) -> str:
    """The 12 hex digits that Docker shows of "sha256:..." or of a container's ID."""
    return identity.partition(":")[2][:ID_LENGTH] if ":" in identity else identity[:ID_LENGTH]


def command_line(words: tuple[str, ...]) -> str:
    """A container's program and its arguments; those that hold a blank in quotes, as Docker's daemon does."""
    program, *arguments = words or ("",)
    return " ".join((program, *(f"'{word}'" if " " in word else word for word in arguments)))


def quoted(text: str) -> str:
    """Go's strconv.Quote: in double quotes, control characters escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    body = "".join(_QUOTES.get(char) or (_go_escape(char) if _is_control(char) else char) for char in text)
    return f'"{body}"'


_QUOTES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
}


def _go_escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
