"""A process that a command waits for: its end, our signals, and our terminal where it has one of its own."""

from __future__ import annotations

import os
import select
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_FORWARDED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH")
_CHUNK = 4096


def attend(pid: int, console: int) -> int:
    """Waits for a child; its exit status as a shell has it. `console` is the master of its terminal or -1."""
    _forward(pid, console)
    if console >= 0:
        _relay(pid, console)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code


def _forward(pid: int, console: int) -> None:
    def heard(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGWINCH:
            _resize(console)
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    for name in _FORWARDED:
        signal.signal(getattr(signal, name), heard)
    _resize(console)


def _resize(console: int) -> None:
    if console >= 0 and os.isatty(0):
        import fcntl
        import termios

        fcntl.ioctl(console, termios.TIOCSWINSZ, fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))


def _relay(pid: int, console: int) -> None:
    """Until the terminal's other side is gone."""
    before = _make_raw()
    pidfd = os.pidfd_open(pid)
    sources = {0, console, pidfd}
    try:
        while True:
            ready, _, _ = select.select(sources, [], [])
            if 0 in ready:
                data = _read(0)
                if data:
                    os.write(console, data)
                else:
                    sources.discard(0)
            if console in ready:
                data = _read(console)
                if not data:
                    return
                os.write(1, data)
            elif pidfd in ready:
                return
    finally:
        os.close(pidfd)
        if before is not None:
            import termios

            termios.tcsetattr(0, termios.TCSADRAIN, before)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except OSError:
        return b""  # EIO: the terminal's other side is gone


def _make_raw() -> list[Any] | None:
    if not os.isatty(0):
        return None
    import termios
    import tty

    before = termios.tcgetattr(0)
    tty.setraw(0)
    return before
