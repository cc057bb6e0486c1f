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
        self.status = 0  # with which the process ends because of what was heard
        self._count = 0

    def heard(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        self.status = INTERRUPTED
        if self._count == 1:
            raise KeyboardInterrupt
        if self._count >= PATIENCE:
            import os

            os._exit(INTERRUPTED)  # the next command finishes what this one leaves

    def unwind(self, number: int, _frame: FrameType | None) -> None:
        self.status = 128 + number
        raise SystemExit(self.status)


_INTERRUPTS = _Interrupts()  # signal handlers belong to the process, and so does what they heard


def ended_by_signal() -> int:
    """The exit status that a signal asked for, 0 if none came since `end_cleanly`.

    For whoever reports a failure: C code that an exception of a signal handler meets half-way may raise
    something else in its stead (CPython's import machinery: a TypeError or an ImportError).
    """
    return _INTERRUPTS.status


def end_cleanly() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP unwind the stack and exit with 128 + their number.

    While that goes on a second SIGINT changes nothing; the third ends the process as it is.
    """
    import signal

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _INTERRUPTS.unwind)
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _INTERRUPTS.heard)
