"""squash: several layers of an image made one, in a new image."""

from __future__ import annotations

import sys

from cowl.cli import human
from cowl.cli.interrupts import end_cleanly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call


def squash(call: Call) -> int:
    """`cowl squash [--from N] [--to M] [-t NAME] IMAGE`; prints the ID, and beside it what was saved."""
    end_cleanly()
    first, last = call.number("from"), call.number("to")
    with call.engine() as engine:
        done = engine.squash(call.words[0], first=first, last=last, tag=call.text("tag"))
    print(done.image.id)
    if not call.on("quiet"):
        saved, on_disk = (_signed(count) for count in (done.saved_bytes, done.saved_allocated_bytes))
        print(f"{done.layers} layers became one: {saved} smaller, {on_disk} on disk", file=sys.stderr)
    return 0


def _signed(count: int) -> str:
    """A layer of its own for every file that several keep together can be larger on disk."""
    return f"{'-' if count < 0 else ''}{human.size(abs(count))}"
