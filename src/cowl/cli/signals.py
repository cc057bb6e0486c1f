"""Signals on their way to a container: those that end us, and the terminal's size."""

from __future__ import annotations

import os
import signal
import sys

from cowl.cli.streams import Alarm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

FORWARDED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
PATIENCE = 3  # interrupts that a container may ignore
GRACE_SECONDS = 10.0  # between the end of our terminal and that of the container


class Forwarder(Alarm):
    """While it is entered, signals go to `send` instead of ending us; SIGWINCH calls `resized`.

    A process that is the first of its PID namespace ignores what it has no handler for. So that a user
    is never stuck with one, the third SIGINT or SIGTERM kills it, and SIGHUP does after a while.
    Signals that are ignored already (nohup) stay so. With `proxy` off only SIGWINCH is heard.
    One that `leaves` is at a container that can do without us: then these end us, by SystemExit.
    """

    def __init__(
        self,
        send: Callable[[int], None],
        resized: Callable[[], None] | None,
        *,
        proxy: bool,
        leaves: bool = False,
    ) -> None:
        self._leaves = leaves
        self._send = send
        self._resized = resized
        self._numbers = FORWARDED if proxy else ()
        self._before: dict[int, object] = {}
        self._interrupts = 0
        self._hung_up = False
        self._writer = -1

    def __enter__(self) -> Forwarder:
        self.fd, self._writer = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        numbers = [number for number in self._numbers if signal.getsignal(number) != signal.SIG_IGN]
        if self._resized is not None:
            numbers.append(signal.SIGWINCH)
        for number in numbers:
            self._before[number] = signal.signal(number, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave us
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._writer)
        self.fd = -1

    def ring(self) -> float | None:
        try:
            numbers = os.read(self.fd, 1 << 10)
        except BlockingIOError:
            numbers = b""
        if not numbers and self._hung_up:
            self._send(signal.SIGKILL)
        for number in numbers:
            self._heard(number)
        return GRACE_SECONDS if self._hung_up else None

    def _heard(self, number: int) -> None:
        if number == signal.SIGWINCH:
            if self._resized is not None:
                self._resized()
            return
        if number not in self._before:
            return
        self._hung_up = self._hung_up or number == signal.SIGHUP
        if number in (signal.SIGINT, signal.SIGTERM):
            self._interrupts += 1
        if self._leaves:
            self._send_and_leave(number)
            return
        if self._interrupts >= PATIENCE:
            print(f"cowl: got {PATIENCE} SIGTERM/SIGINTs, killing the container", file=sys.stderr)
            number = signal.SIGKILL
        self._send(number)

    def _send_and_leave(self, number: int) -> None:
        self._send(number)
        if self._interrupts >= PATIENCE:
            print(f"cowl: got {PATIENCE} SIGTERM/SIGINTs, leaving the container", file=sys.stderr)
            raise SystemExit(1)
        if self._hung_up:
            raise SystemExit(128 + signal.SIGHUP)
