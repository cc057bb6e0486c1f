"""A running container's standard input: what several write to, in the order in which it came."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.container.loop import Loop


class Inlet:
    """Writes as fast as the container reads. Whoever gives something waits until it is taken."""

    def __init__(self, loop: Loop, fd: int, *, terminal: bool) -> None:
        """The pipe is closed at the end; a terminal is not ours to close."""
        os.set_blocking(fd, False)
        self._loop = loop
        self._fd = fd
        self._terminal = terminal
        self._waiting: list[tuple[memoryview, Callable[[], object]]] = []
        self._ending = False

    def give(self, data: bytes, taken: Callable[[], object]) -> None:
        """Calls `taken` once all is written; at once if nobody reads any more, and it is lost."""
        self._waiting.append((memoryview(data), taken))
        self._step()

    def end(self) -> None:
        """What was given is still written; then the container reads the end. Idempotent.

        Nothing happens to a terminal: its end is a key.
        """
        self._ending = self._ending or not self._terminal
        self._step()

    def _step(self) -> None:
        while self._waiting and self._fd >= 0:
            data, taken = self._waiting[0]
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                self._loop.watch(self._fd, self._step, select.POLLOUT)
                return
            except OSError:  # EPIPE, EIO: nobody reads it any more
                self._close()
                break
            self._waiting[0] = data, taken
            if not data:
                del self._waiting[0]
                taken()
        if self._fd < 0:
            lost, self._waiting = self._waiting, []
            for _, taken in lost:
                taken()
            return
        self._loop.forget(self._fd)
        if self._ending:
            self._close()

    def _close(self) -> None:
        self._loop.forget(self._fd)
        if not self._terminal:
            os.close(self._fd)
        self._fd = -1
