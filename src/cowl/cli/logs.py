"""logs: what a container has printed."""

from __future__ import annotations

import sys
import time

from cowl import Invalid
from cowl.cli.moments import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl import LogEntry
    from cowl.cli.call import Call


class InvalidTail(Invalid):
    """--tail is a number, or all."""


def logs(call: Call) -> int:
    """`cowl logs`: standard output and standard error of the container to ours."""
    now = time.time_ns()
    since, until = parse("since", call.text("since"), now), parse("until", call.text("until"), now)
    with call.engine() as engine:
        box = engine.container(call.words[0])
        printer = _Printer(timestamps=call.on("timestamps"), at_once=call.on("follow"))
        for entry in box.logs(
            follow=call.on("follow"), tail=_tail(call.text("tail")), since=since or 0, until=until
        ):
            printer.print(entry)
        printer.flush()
    return 0


def _tail(text: str) -> int | None:
    """None for all; as Docker, a negative number is all too."""
    if text == "all" or text.startswith("-"):
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidTail(f"invalid value for --tail: {text!r}", hint='It is a number of lines, or "all".')
    return int(text)


class _Printer:
    """The two streams, flushed whenever the other one comes: on a terminal their order is kept."""

    def __init__(self, *, timestamps: bool, at_once: bool) -> None:
        self._files: dict[str, BinaryIO] = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
        self._timestamps = timestamps
        self._at_once = at_once
        self._last = "stdout"
        self._inside: set[str] = set()  # streams in the middle of a line

    def print(self, entry: LogEntry) -> None:
        if entry.stream != self._last:
            self._files[self._last].flush()
            self._last = entry.stream
        file = self._files.get(entry.stream, sys.stdout.buffer)
        if self._timestamps and entry.stream not in self._inside:
            file.write(_stamp(entry.nanoseconds))
        file.write(entry.data)
        self._inside.discard(entry.stream)
        if not entry.data.endswith(b"\n"):
            self._inside.add(entry.stream)
        if self._at_once:
            file.flush()

    def flush(self) -> None:
        for file in self._files.values():
            file.flush()


def _stamp(nanoseconds: int) -> bytes:
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z ".encode()
