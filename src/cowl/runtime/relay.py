"""Streams that a payload must not hold itself: the keeper copies them through pipes of the payload's own.

A terminal of the host's is never given to a container: it could change its modes or push input into it.
And what the payload does not own it can't open as /dev/stdout, which many images do for their logs.
"""

from __future__ import annotations

import os
import select
import stat

from cowl.linux.descriptors import duplicate

CHUNK = 4096  # PIPE_BUF: as much as a writable pipe takes without blocking


class Relay:
    """One direction, with at most one chunk in hand, so that a stopped reader stops the writer."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._pending = b""

    def wish(self) -> tuple[int, int]:
        """What to poll for: (descriptor, event)."""
        return (self._sink, select.POLLOUT) if self._pending else (self._source, select.POLLIN)

    def step(self) -> bool:
        """Copies a little, now that the wish is fulfilled. False when the stream is over."""
        try:
            if self._pending:
                self._pending = self._pending[os.write(self._sink, self._pending) :]
                return True
            self._pending = os.read(self._source, CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            self._pending = b""
            return False
        return bool(self._pending)

    def drain(self) -> None:
        """Copies what is there now; waits for a slow reader but for no writer."""
        while self._pending or _ready(self._source):
            if not self.step():
                return

    def close(self) -> None:
        """The payload sees the end of the stream, or a broken pipe."""
        os.close(self._source)
        os.close(self._sink)


def interpose(euid: int, may_give: bool) -> list[Relay]:
    """Puts pipes in the place of those of 0, 1 and 2 that the payload must not hold.

    `may_give`: pipes of other users can be given to the payload, so they need no copying.
    """
    relays = []
    if os.isatty(0):
        reader, writer = os.pipe()
        relays.append(Relay(duplicate(0, 10), duplicate(writer, 10)))
        _place(reader, (0,))
        os.close(writer)
    for numbers in _outputs(euid, may_give):
        reader, writer = os.pipe()
        relays.append(Relay(duplicate(reader, 10), duplicate(numbers[0], 10)))
        _place(writer, numbers)
        os.close(reader)
    return relays


def _outputs(euid: int, may_give: bool) -> list[tuple[int, ...]]:
    """1 and 2 where they need a pipe; one pipe for both if they are the same, to keep the order."""
    wanted = [number for number in (1, 2) if _needs_pipe(number, euid, may_give)]
    if wanted == [1, 2] and os.path.sameopenfile(1, 2):
        return [(1, 2)]
    return [(number,) for number in wanted]


def _needs_pipe(number: int, euid: int, may_give: bool) -> bool:
    status = os.fstat(number)
    if stat.S_ISFIFO(status.st_mode):
        return not may_give and status.st_uid != euid
    return stat.S_ISREG(status.st_mode) or os.isatty(number)


def _place(fd: int, numbers: tuple[int, ...]) -> None:
    for number in numbers:
        os.dup2(fd, number, inheritable=True)
    os.close(fd)


def _ready(fd: int) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return any(event & select.POLLIN for _, event in poller.poll(0))
