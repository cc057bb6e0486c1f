"""top: the processes of a container."""

from __future__ import annotations

from cowl.cli.text import cell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call

_LEAST, _GAP = 20, 3  # columns, as Docker prints it


def top(call: Call) -> int:
    """`cowl top`: what follows the container's name are options of ps."""
    name, *ps_args = call.words
    with call.engine() as engine:
        found = engine.container(name).top(ps_args)
    rows = [tuple(map(cell, row)) for row in (found.titles, *found.processes)]
    widths = [max(_LEAST, *(len(row[at]) + _GAP for row in rows)) for at in range(len(found.titles) - 1)]
    for row in rows:
        *padded, last = row
        print("".join(text.ljust(width) for text, width in zip(padded, widths)) + last)  # noqa: B905
    return 0
