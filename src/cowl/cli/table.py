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
    sizes = [[columns(text) for text in row[:-1]] for row in rows]
    widths: dict[int, int] = {}
    for row in sizes:
        for at, size in enumerate(row):
            widths[at] = max(widths.get(at, LEAST), size + GAP)
    return "".join(map(_line, rows, sizes, [widths] * len(rows)))


def _line(row: list[str], sizes: list[int], widths: dict[int, int]) -> str:
    padded = [text + " " * (widths[at] - sizes[at]) for at, text in enumerate(row[:-1])]
    return "".join(padded) + (row[-1] if row else "") + "\n"
