"""dedupe: identical files of different layers made one inode."""

from __future__ import annotations

import json

from cowl.cli import human
from cowl.cli.interrupts import end_cleanly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Deduplication
    from cowl.cli.call import Call


def dedupe(call: Call) -> int:
    """`cowl dedupe [--dry-run] [--json]`: what was freed, or would be, and what was left alone and why."""
    end_cleanly()
    with call.engine() as engine:
        done = engine.dedupe(dry_run=call.on("dry-run"))
    if call.on("json"):
        print(json.dumps(_members(done), separators=(",", ":")))
        return 0
    for line in _lines(done):
        print(line)
    return 0


def _members(done: Deduplication) -> dict[str, object]:
    skipped = [{"key": layer.key, "why": layer.why} for layer in done.skipped]
    return {**done.as_dict(), "skipped": skipped}


def _lines(done: Deduplication) -> list[str]:
    would = "would be " if done.dry_run else ""
    lines = [
        f"{_count(done.layers, 'layer')} and {_count(done.files, 'file')} looked at",
        f"{_count(done.links, 'file')} {would}linked to identical ones, {_count(done.inodes, 'inode')} freed",
    ]
    if done.why_no_clones:
        lines.append(f"files of other metadata left alone: {done.why_no_clones}")
    else:
        size = human.size(done.cloned_bytes)
        lines.append(f"{_count(done.cloned_files, 'file')} of other metadata {would}sharing {size} of data")
    lines += [f"left alone: layer {layer.key[:12]}: {layer.why}" for layer in done.skipped]
    for count, why in (
        (done.changed, "changed or went meanwhile"),
        (done.refused, "could not be linked: the file system refuses"),
        (done.unreadable, "could not be read"),
    ):
        if count:
            lines.append(f"left alone: {_count(count, 'file')}: {why}")
    words = "Would reclaim" if done.dry_run else "Total reclaimed space"
    return [*lines, f"{words}: {human.size(done.freed_bytes)}"]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
