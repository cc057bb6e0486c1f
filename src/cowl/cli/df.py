"""system df: where the disk went."""

from __future__ import annotations

import sys
import time

from cowl import Invalid
from cowl.cli import human, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Engine, Usage
    from cowl.cli.call import Call
    from cowl.cli.rows import Row

HEADERS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
    "OnDisk": "ON DISK",
    "OnDiskReclaimable": "ON DISK RECLAIMABLE",
}
COLUMNS = ("Type", "TotalCount", "Active", "Size", "Reclaimable")
VERIFY_HEADERS = {
    "Owner": "OWNER",
    "Object": "OBJECT",
    "Ledger": "LEDGER",
    "Disk": "DISK",
    "Difference": "DIFFERENCE",
    "Reason": "REASON",
}


class TwoQuestions(Invalid):
    """--verify and --verbose ask for different tables."""


def disk_usage(call: Call) -> int:
    """`cowl system df`: exit code 1 when `--verify` finds a difference."""
    verbose = call.on("verbose")
    if call.on("verify"):
        if verbose:
            raise TwoQuestions(
                "--verify and --verbose print different tables", hint="Ask for one after the other."
            )
        with call.engine() as engine:
            return _verify(engine, call.text("format"))
    with call.engine() as engine:
        usage = engine.usage(details=verbose)
    warn(usage)
    if verbose:
        _in_full(usage, call.text("format"))
    else:
        rows.write(summary_rows(usage), HEADERS, COLUMNS, call.text("format"))
    return 0


def warn(usage: Usage) -> None:
    """Says on standard error what counts as nothing because it is not there."""
    for lost in usage.missing:
        print(f"WARNING: {lost.text}: it counts as nothing. {lost.remedy}", file=sys.stderr)


def _in_full(usage: Usage, template: str) -> None:
    from cowl.cli.df_sections import section_rows, sections

    full = template not in ("", "table")
    found = section_rows(usage, time.time(), full=full)
    if not full:
        sys.stdout.write(sections(usage, found))
    elif template == "json":
        print(rows.to_json(found))
    else:
        from cowl.cli.template import render_object

        print(render_object(template, found))


def summary_rows(usage: Usage) -> list[Row]:
    """Docker's four rows and what cowl has besides. Sizes are apparent, as in `images`."""
    return [
        {
            "Type": row.kind,
            "TotalCount": str(row.total),
            "Active": str(row.active),
            "Size": human.size(row.size_bytes),
            "Reclaimable": _reclaimable(row.kind, row.reclaimable_bytes, row.size_bytes),
            "OnDisk": human.size(row.allocated_bytes),
            "OnDiskReclaimable": human.size(row.reclaimable_allocated_bytes),
        }
        for row in usage.rows
    ]


def _reclaimable(kind: str, part: int, whole: int) -> str:
    if whole == 0 or kind == "Build Cache":
        return human.size(part)
    return f"{human.size(part)} ({part * 100 // whole}%)"


def _verify(engine: Engine, template: str) -> int:
    """The owners, their sum, and each object that differs: exact bytes on disk."""
    found = engine.verify_usage()
    lines = [_line(each.owner, "", each.recorded_bytes, each.found_bytes) for each in found.owners]
    lines.append(_line("total", "", found.recorded_bytes, found.found_bytes))
    for each in found.differences:
        lines.append(_line(each.kind, each.name, each.recorded_bytes, each.found_bytes, each.what))
    columns = [name for name in VERIFY_HEADERS if found.differences or name not in ("Object", "Reason")]
    rows.write(lines, VERIFY_HEADERS, columns, template)
    return 1 if found.differences else 0


def _line(owner: str, name: str, ledger: int, disk: int, reason: str = "") -> Row:
    difference = f"{disk - ledger:+d}" if disk != ledger else "0"
    return {
        "Owner": owner,
        "Object": name,
        "Ledger": str(ledger),
        "Disk": str(disk),
        "Difference": difference,
        "Reason": reason,
    }
