"""export: the file system of a container as a tar."""

from __future__ import annotations

import sys

from cowl import Invalid
from cowl.cli.interrupts import end_cleanly
from cowl.events import Warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call
    from cowl.events import Event


class TerminalRefused(Invalid):
    """A tar is not for a terminal."""

    def __init__(self) -> None:
        super().__init__(
            "cowardly refusing to save to a terminal. Use the -o flag or redirect",
            hint="As in: cowl export -o FILE CONTAINER",
        )


def export(call: Call) -> int:
    """`cowl export [-o FILE] CONTAINER`: a file is there in full or not at all."""
    end_cleanly()
    path = call.text("output")
    to_stdout = path in ("", "-")
    if to_stdout and sys.stdout.isatty():
        raise TerminalRefused()
    with call.engine(_warn) as engine:
        engine.export(call.words[0], sys.stdout.buffer if to_stdout else path)
    return 0


def _warn(event: Event) -> None:
    if isinstance(event, Warned):
        print(f"WARNING: {event.message}", file=sys.stderr)
