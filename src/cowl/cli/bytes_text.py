"""Where the bytes of a build went, as lines: all of it with --explain, else what can be saved."""

from __future__ import annotations

from cowl.cli import human
from cowl.cli.text import ellipsis, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.events import BytesExplained, LineBytes, Waste

WORTH_BYTES = 100_000  # what nobody asked for is told from here on
INSTRUCTION_COLUMNS = 60
DONE = {
    "chmod": "changes their mode",
    "chown": "changes their owner",
    "xattr": "changes their extended attributes",
    "touch": "changes no byte of them",
    "same": "brings the same again",
}


def bytes_lines(event: BytesExplained) -> list[str]:
    """The table of all lines, and below each line its waste."""
    lines = ["  LINE      ADDED   SHADOWED  INSTRUCTION"]
    for line in event.lines:
        number = str(line.line) if line.line else "base"
        text = ellipsis(visible(line.text), INSTRUCTION_COLUMNS)
        added, shadowed = human.short_size(line.added_bytes), human.short_size(line.shadowed_bytes)
        lines.append(f"  {number:>4} {added:>10} {shadowed:>10}  {text}")
        lines += [f"       {sentence(line, waste)}" for waste in line.waste]
    total = f"{human.short_size(event.added_bytes)} added, {human.short_size(event.shadowed_bytes)} shadowed"
    return [*lines, f"  {total}: {human.short_size(event.visible_bytes)} visible"]


def wasted_lines(event: BytesExplained) -> list[str]:
    """The waste that is large and can be mended."""
    return [f"cowl: {text}" for text in _worth_telling(event)]


def _worth_telling(event: BytesExplained) -> Iterator[str]:
    for line in event.lines:
        for waste in line.waste:
            if waste.fix and waste.size_bytes >= WORTH_BYTES:
                yield sentence(line, waste)


def sentence(line: LineBytes, waste: Waste) -> str:
    """ "line 3: 25.1MB in 2 files are removed by line 5 (/app/x): merge line 5 into line 3"."""
    fix = f": {waste.fix}" if waste.fix else ""
    files = f"{waste.files} file{'' if waste.files == 1 else 's'}"
    amount = f"{human.short_size(waste.size_bytes)} in {files}"
    where = f"line {line.line}" if line.line else "the base image"
    return visible(f"{where}: {amount} {_what(waste)} ({waste.path}){fix}").replace("\n", " ")


def _what(waste: Waste) -> str:
    other = f"line {waste.line}" if waste.line else "the base image"
    if waste.kind == "cache":
        return f"stay in the package cache {waste.cause}"
    if waste.kind == "copied-up":
        return f"of {other} are stored again: it only {DONE[waste.cause]}"
    cause = waste.cause if waste.cause in ("removed", "overwritten") else "stored again"
    return f"are {cause} by {other}"
