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
    rows = [[cell(text) for text in line] for line in lines]
    widths: dict[int, int] = {}
    for row in rows:
        for at, text in enumerate(row[:-1]):
            widths[at] = max(widths.get(at, LEAST), columns(text) + GAP)
    return "".join(_line(row, widths) + "\n" for row in rows)


def _line(row: list[str], widths: dict[int, int]) -> str:
    padded = [text + " " * (widths[at] - columns(text)) for at, text in enumerate(row[:-1])]
    return "".join(padded) + (row[-1] if row else "")
