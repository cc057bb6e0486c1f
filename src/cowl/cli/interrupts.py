"""Signals that end us as exceptions, so that what is half done is taken back before the process ends."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

PATIENCE = 3  # presses of Ctrl-C: the first ends the work, the last ends the tidying too
INTERRUPTED = 130  # 128 + SIGINT


class _Interrupts:
    """What Ctrl-C does: tidying takes a moment, and an impatient second press must not leave it undone."""

    def __init__(self) -> None:
        self._count = 0

    def heard(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            raise KeyboardInterrupt
        if self._count >= PATIENCE:
            import os

            os._exit(INTERRUPTED)  # the next command finishes what this one leaves


def end_cleanly() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP unwind the stack and exit with 128 + their number.

    While that goes on a second SIGINT changes nothing; the third ends the process as it is.
    """
    import signal

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _unwind)
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _Interrupts().heard)


def _unwind(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
