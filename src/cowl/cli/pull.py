"""pull."""

from __future__ import annotations

import sys

from cowl.cli import names
from cowl.cli.interrupts import end_cleanly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call


def pull(call: Call) -> int:
    """`cowl pull`: progress on standard error, the canonical name on standard output."""
    from cowl.cli.progress import pull_progress

    end_cleanly()
    reference = call.words[0]
    if names.lacks_tag(reference) and not call.on("quiet"):
        print("Using default tag: latest", file=sys.stderr)
    with pull_progress(quiet=call.on("quiet")) as progress, call.engine(progress) as engine:
        engine.pull(reference, platform=call.text("platform"))
        pulled = progress.reference
    print(pulled or reference)
    return 0
