"""import: a root file system's tar to an image."""

from __future__ import annotations

import sys

from cowl import Invalid
from cowl.cli.interrupts import end_cleanly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl.cli.call import Call


class UnsupportedSource(Invalid):
    """A source that cowl does not read."""


def import_image(call: Call) -> int:
    """`cowl import FILE|- [REFERENCE]`; prints the image's ID."""
    end_cleanly()
    source, reference = (*call.words, "")[:2]
    if "://" in source:
        raise UnsupportedSource(
            f"can't import from {source}: cowl reads a file or, with -, standard input",
            hint=f"Fetch it first: curl -fL {source} | cowl import - {reference}".rstrip(),
        )
    stream: BinaryIO = sys.stdin.buffer if source == "-" else open(source, "rb")  # noqa: SIM115
    with stream, call.engine() as engine:
        image = engine.import_image(
            stream,
            reference,
            changes=call.many("change"),
            message=call.text("message"),
            platform=call.text("platform"),
        )
    print(image.id)
    return 0
