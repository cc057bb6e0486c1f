"""stats: what containers use of the machine, once or again and again."""

from __future__ import annotations

import sys
import time

from cowl import NotFound
from cowl.cli import human, rows
from cowl.cli.text import short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Container, ContainerStats, Engine
    from cowl.cli.call import Call
    from cowl.cli.rows import Row

HEADERS = {
    "Container": "CONTAINER",
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
SECONDS = 1.0  # between two readings
UNKNOWN = "--"
_HOME, _LINE_END, _SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"


def stats(call: Call) -> int:
    """`cowl stats`: a table that is drawn again every second, until it is interrupted."""
    format_, full = call.text("format"), call.on("no-trunc")
    with call.engine() as engine:
        before = _readings(call, engine, {})
        while True:
            time.sleep(SECONDS)
            before = _readings(call, engine, before)
            found = [_row(name, each, full=full) for name, each in before.items()]
            text = rows.rendered(found, HEADERS, COLUMNS, format_)
            if call.on("no-stream"):
                sys.stdout.write(text)
                return 0
            _draw(text)


def _readings(call: Call, engine: Engine, before: dict[str, ContainerStats]) -> dict[str, ContainerStats]:
    """By the names that were given, else by ID. One that was removed while we looked is shown no more."""
    found = {}
    for name, box in _containers(call, engine, first=not before):
        try:
            found[name] = box.stats(since=before.get(name))
        except NotFound:
            continue
    return found


def _containers(call: Call, engine: Engine, *, first: bool) -> list[tuple[str, Container]]:
    if not call.words:
        return [(box.id, box) for box in engine.containers(all=call.on("all"))]
    found = []
    for name in call.words:
        try:
            found.append((name, engine.container(name)))
        except NotFound:
            if first:
                raise
    return found


def _draw(text: str) -> None:
    """From the top of a terminal, over what was there; elsewhere one after the other."""
    if sys.stdout.isatty():
        text = _HOME + text.replace("\n", f"{_LINE_END}\n") + _SCREEN_END
    sys.stdout.write(text)
    sys.stdout.flush()


def _row(name: str, each: ContainerStats, *, full: bool) -> Row:
    shown = each.id if full else short_id(each.id)
    return {
        "Container": shown if name == each.id else name,
        "ID": shown,
        "Name": each.name,
        "CPUPerc": percent(each.cpu_percent),
        "MemUsage": f"{binary(each.memory_bytes)} / {binary(each.memory_limit_bytes)}",
        "MemPerc": percent(each.memory_percent),
        "NetIO": pair(each.network_received_bytes, each.network_sent_bytes),
        "BlockIO": pair(each.block_read_bytes, each.block_written_bytes),
        "PIDs": UNKNOWN if each.pids is None else str(each.pids),
    }


def percent(value: float | None) -> str:
    """Two digits, as Docker's."""
    return UNKNOWN if value is None else f"{value:.2f}%"


def binary(count: int | None) -> str:
    """Powers of 1024."""
    return UNKNOWN if count is None else human.binary_size(count)


def pair(first: int | None, second: int | None) -> str:
    """Two sizes; where one is unknown so is the other."""
    if first is None or second is None:
        return UNKNOWN
    return f"{human.short_size(first)} / {human.short_size(second)}"
