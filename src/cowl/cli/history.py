"""history: which instruction added which layer."""

from __future__ import annotations

import time

from cowl.cli import human, rows
from cowl.cli.text import columns, ellipsis, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl import HistoryRow
    from cowl.cli.call import Call
    from cowl.cli.rows import Row

HEADERS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
    "Layer": "LAYER",
    "Line": "LINE",
    "WhyNot": "WHY NO LAYER",
    "SharedBy": "SHARED BY",
    "Containers": "CONTAINERS",
    "Snapshots": "SNAPSHOTS",
    "Sharing": "SHARED BY, OR WHY NO LAYER",
    "Instruction": "INSTRUCTION",
}
COLUMNS = ("ID", "CreatedSince", "CreatedBy", "Size", "Comment")
LAYER_COLUMNS = ("Layer", "Size", "Sharing", "Instruction")
ROOM = 45  # columns of CREATED BY
_BEFORE, _LEAST = 15 + 10 + 3, 16  # columns before the sharers, with gaps; of an instruction at least
_SHARING = 36  # columns of sharers with their names: all fits in 80
_NAMED = 2  # other images that a row names; more are counted


def history(call: Call) -> int:
    """`cowl history`."""
    template, layers = call.text("format"), call.on("layers")
    with call.engine() as engine:
        if layers or template not in ("", "table"):
            told = engine.history(call.words[0])
        else:
            told = engine.image(call.words[0]).history()
    found = history_rows(told, time.time(), full=call.on("no-trunc"), readable=call.on("human"))
    headers, shown = HEADERS, LAYER_COLUMNS if layers else COLUMNS
    if layers and template in ("", "table"):
        headers = {**HEADERS, "Instruction": f"LINE  {HEADERS['Instruction']}"}
        _number(found)
        if not call.on("no-trunc"):
            _fit(found)
    rows.write(found, headers, shown, template, quiet=call.on("quiet"))
    return 0


def _number(found: list[Row]) -> None:
    """Puts the lines before their instructions: narrower than a column of their own."""
    for row in found:
        row["Instruction"] = f"{row['Line'] or '-':>4}  {row['Instruction']}"


def _fit(found: list[Row]) -> None:
    """Leaves of the instructions what the terminal has room for."""
    from cowl.cli.help import width

    sharing = max((columns(row["Sharing"]) for row in found), default=0)
    room = width() - _BEFORE - max(sharing, len(HEADERS["Sharing"]))
    for row in found:
        row["Instruction"] = ellipsis(row["Instruction"], max(_LEAST, room))


def history_rows(
    told: Iterable[HistoryRow], now: float, *, full: bool = False, readable: bool = True
) -> list[Row]:
    """Newest first, as Docker shows them, with the layers and who shares them."""
    found: list[Row] = []
    for entry in told:
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
                "Layer": _layer(entry, full),
                "Line": str(entry.line or ""),
                "WhyNot": entry.why_not,
                "SharedBy": ",".join(entry.shared_by),
                "Containers": str(entry.containers),
                "Snapshots": str(entry.snapshots),
                "Sharing": entry.why_not or _sharing(entry),
                "Instruction": entry.instruction.replace("\t", " "),
            }
        )
    return found


def _layer(entry: HistoryRow, full: bool) -> str:
    """Its diff_id; its key while it has none."""
    name = entry.diff_id or entry.layer_key
    return name if full else short_id(name)


def _sharing(entry: HistoryRow) -> str:
    """ "one:latest, two:latest, 3 containers", or how many where the names take too much room."""
    others = []
    if entry.containers:
        others.append(_count(entry.containers, "container"))
    if entry.snapshots:
        others.append(_count(entry.snapshots, "snapshot"))
    named = ", ".join((*entry.shared_by, *others))
    if not entry.shared_by or (len(entry.shared_by) <= _NAMED and columns(named) <= _SHARING):
        return named
    return ", ".join((_count(len(entry.shared_by), "image"), *others))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
