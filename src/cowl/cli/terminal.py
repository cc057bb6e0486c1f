"""The caller's terminal: raw while a container's console is on it, and of the same size."""

from __future__ import annotations

import fcntl
import os
import sys
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any


class Raw:
    """While it is entered the terminal passes every key on: no echo, no line editing, no signals.

    With `output_only` just what is printed passes as it is: the console has processed it already.
    Nothing happens where `fd` is no terminal.
    """

    def __init__(self, fd: int, *, output_only: bool) -> None:
        self._fd = fd
        self._output_only = output_only
        self._before = termios.tcgetattr(fd) if os.isatty(fd) else None

    def __enter__(self) -> Raw:
        if self._before is not None:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._changed())
        return self

    def _changed(self) -> list[Any]:
        changed = termios.tcgetattr(self._fd)
        changed[1] &= ~termios.OPOST
        if self._output_only:
            return changed
        changed[0] &= ~(
            termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR
            | termios.IGNCR | termios.ICRNL | termios.IXON
        )  # fmt: skip
        changed[2] = (changed[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
        changed[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        changed[6] = [*changed[6]]
        changed[6][termios.VMIN], changed[6][termios.VTIME] = 1, 0
        return changed

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is None:
            return
        try:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
        except termios.error:
            pass  # the terminal is gone, and its settings with it


def window(terminal: int) -> tuple[int, ...]:
    """(rows, columns) of a terminal; () when it is none, or has no size."""
    try:
        size = fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return ()
    rows, columns = (int.from_bytes(size[at : at + 2], sys.byteorder) for at in (0, 2))
    return (rows, columns) if rows and columns else ()


def copy_size(source: int, console: int) -> None:
    """Gives the console the size of the terminal `source`; nothing when that is none."""
    try:
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(console, termios.TIOCSWINSZ, size)
    except OSError:
        pass
