"""Docker's column layout: the last cell of a line is never padded."""

from __future__ import annotations

from cowl.cli.text import cell, columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

GAP = 3  # blanks between columns
LEAST = 10  # columns of the narrowest cell, gap included (tabwriter's minwidth in Docker's formatter)


def align(lines: Iterable[Iterable[str]]) -> str:
    """Lines of cells to text, each column as wide as its widest cell."""
    rows = [tuple(line) for line in lines]
    everything = "".join(map("".join, rows))
    if not everything.isprintable():
        rows = [tuple(map(cell, row)) for row in rows]
    elif everything.replace("…", "").isascii() and len(set(map(len, rows))) == 1:
        return _plain(rows)
    widths: dict[int, int] = {}
    for row in rows:
        for at, text in enumerate(row[:-1]):
            widths[at] = max(widths.get(at, LEAST), columns(text) + GAP)
    return "".join(_line(row, widths) + "\n" for row in rows)


def _plain(rows: list[tuple[str, ...]]) -> str:
    """The same for equally many cells a line whose characters are one column wide each: thousands of lines
    take a few milliseconds."""
    *padded, last = zip(*rows)  # noqa: B905
    for at, cells in enumerate(padded):
        width = max(LEAST, max(map(len, cells)) + GAP)
        padded[at] = tuple([text.ljust(width) for text in cells])
    return "".join([f"{line}\n" for line in map("".join, zip(*padded, last))])  # noqa: B905


def _line(row: tuple[str, ...], widths: dict[int, int]) -> str:
    padded = [text + " " * (widths[at] - columns(text)) for at, text in enumerate(row[:-1])]
    return "".join(padded) + (row[-1] if row else "")
