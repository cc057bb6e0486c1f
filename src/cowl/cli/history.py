"""history: which instruction added which layer."""

from __future__ import annotations

import time

from cowl.cli import human, rows
from cowl.cli.text import ellipsis, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Image
    from cowl.cli.call import Call
    from cowl.cli.rows import Row

HEADERS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
COLUMNS = ("ID", "CreatedSince", "CreatedBy", "Size", "Comment")
ROOM = 45  # columns of CREATED BY


def history(call: Call) -> int:
    """`cowl history`."""
    with call.engine() as engine:
        image = engine.image(call.words[0])
    found = history_rows(image, time.time(), full=call.on("no-trunc"), readable=call.on("human"))
    rows.write(found, HEADERS, COLUMNS, call.text("format"), quiet=call.on("quiet"))
    return 0


def history_rows(image: Image, now: float, *, full: bool = False, readable: bool = True) -> list[Row]:
    """Newest first, as Docker shows them."""
    found: list[Row] = []
    for entry in image.history():
        created = human.epoch(entry.created)
        instruction = entry.created_by.replace("\t", " ")
        at = human.rfc3339(created) if created else "N/A"
        since = human.ago(created, now) if created else "N/A"
        found.append(
            {
                "ID": entry.image_id if full or entry.image_id == "<missing>" else short_id(entry.image_id),
                "CreatedSince": since if readable else at,
                "CreatedAt": at,
                "CreatedBy": instruction if full else ellipsis(instruction, ROOM),
                "Size": human.short_size(entry.size_bytes) if readable else str(entry.size_bytes),
                "Comment": entry.comment,
            }
        )
    return found
