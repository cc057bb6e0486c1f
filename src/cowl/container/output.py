"""What a container prints: read from its pipes or its terminal, cut into lines, kept, and passed on."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from cowl.container.loop import Loop

    class Keeper(Protocol):
        """Where lines are kept."""

        def write(self, stream: str, lines: list[bytes]) -> None:
            """Keeps lines of "stdout" or "stderr". Raises nothing for a disk that is full or failing."""


CHUNK = 1 << 16
LONGEST_LINE = 16 << 10  # bytes: as Docker, a longer one is kept in parts
_CONTINUES, _CONTINUATION = 0xC0, 0x80  # the first two bits of a byte inside a character of UTF-8


class Lines:
    """Cuts one stream into lines; the last, which lacks its end yet, waits for it."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, each with its end; a part of one that is too long has none."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines: list[bytes] = []
        for line in whole:
            lines += _parts(line + b"\n")
        if len(self._rest) >= LONGEST_LINE:
            *parts, self._rest = _parts(self._rest)
            lines += parts
        return lines

    def end(self) -> list[bytes]:
        """What is left when the stream is over, as a line."""
        rest, self._rest = self._rest, b""
        return [rest + b"\n"] if rest else []


def _parts(line: bytes) -> list[bytes]:
    """Pieces of at most LONGEST_LINE bytes; no character of UTF-8 is cut in two."""
    parts = []
    while len(line.removesuffix(b"\n")) > LONGEST_LINE:
        cut = LONGEST_LINE
        while cut > LONGEST_LINE - 4 and line[cut] & _CONTINUES == _CONTINUATION:
            cut -= 1
        parts.append(line[:cut])
        line = line[cut:]
    return [*parts, line]


class Output:
    """The streams of one run of a container.

    listeners  are called with ("stdout" or "stderr", bytes) for everything as it comes
    """

    def __init__(self, loop: Loop, log: Keeper | None) -> None:
        self.listeners: list[Callable[[str, bytes], object]] = []
        self._loop = loop
        self._log = log
        self._lines: dict[int, tuple[str, Lines]] = {}

    def pause(self) -> None:
        """Reads no more for now: the container waits, once its pipes are full. Idempotent."""
        for fd in self._lines:
            self._loop.forget(fd)

    def resume(self) -> None:
        """Reads again. Idempotent."""
        for fd in self._lines:
            self._watch(fd)

    def add(self, stream: str, fd: int) -> None:
        """Reads a stream from `fd` from now on. It is closed at its end, or by `close`."""
        os.set_blocking(fd, False)
        self._lines[fd] = (stream, Lines())
        self._watch(fd)

    def _watch(self, fd: int) -> None:
        self._loop.watch(fd, lambda: self._read(fd))

    def close(self) -> None:
        """Reads what is there, and closes all: the container has ended."""
        for fd in [*self._lines]:
            while fd in self._lines and self._read(fd):
                pass
            if fd in self._lines:
                self._end(fd)

    def _read(self, fd: int) -> bool:
        """One read; whether there may be more now."""
        stream, lines = self._lines[fd]
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: a terminal that nobody holds any more
            data = b""
        if not data:
            self._end(fd)
            return False
        self._keep(stream, lines.feed(data))
        for listener in [*self.listeners]:
            listener(stream, data)
        return True

    def _end(self, fd: int) -> None:
        stream, lines = self._lines.pop(fd)
        self._keep(stream, lines.end())
        self._loop.forget(fd)
        os.close(fd)

    def _keep(self, stream: str, lines: list[bytes]) -> None:
        if lines and self._log is not None:
            self._log.write(stream, lines)
