"""A started process on the caller's streams or terminal, until it ends."""

from __future__ import annotations

import os

from cowl import CowlError
from cowl.cli.signals import Forwarder
from cowl.cli.streams import Detached, console_pumps, relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from cowl import Container
    from cowl.cli.detach_keys import DetachKeys
    from cowl.cli.streams import Pump, Streams

    class Process(Protocol):
        """What `attach` needs of a started process."""

        @property
        def console(self) -> int:
            """The master end of its terminal, or -1."""

        def signal(self, number: int) -> None:
            """Sends a signal."""

        def let_go(self) -> None:
            """It is to go on without us."""


def attach(
    process: Process,
    pid: int,
    streams: Streams,
    *,
    interactive: bool,
    proxy: bool,
    keep: Callable[[str, bytes], object] | None = None,
    keys: DetachKeys | None = None,
    box: Container | None = None,
) -> None:
    """Relays streams and signals until the process has ended; the caller's terminal is as before then.

    box   the container whose first process it is
    keep  gets a copy of what a terminal prints; without one the streams see to that
    keys  those that leave an exec on a terminal: then it is let go of. Raises Detached
    """
    try:
        exited = os.pidfd_open(pid)
    except ProcessLookupError:
        exited = os.open(os.devnull, os.O_RDONLY)  # always readable, like the pidfd of an ended process
    send = process.signal if box is None else _sender(box)
    try:
        if process.console < 0:
            with Forwarder(send, None, proxy=proxy) as alarm:
                relay(streams.pumps, exited, alarm)
        else:
            pumps = console_pumps(
                process.console,
                interactive=interactive,
                keep=None if keep is None else lambda data: keep("stdout", data),
                keys=keys,
            )
            _attach_console(process, send, exited, pumps, interactive=interactive, proxy=proxy)
    finally:
        os.close(exited)


def _sender(box: Container) -> Callable[[int], None]:
    """Signals by its own call: one that is paused goes on for them, and its events tell of them."""

    def send(number: int) -> None:
        try:
            box.kill(number)
        except CowlError:  # it has ended, or the store is in trouble: the container is to end all the same
            box.process().signal(number)

    return send


def _attach_console(
    process: Process,
    send: Callable[[int], None],
    exited: int,
    pumps: tuple[Pump, ...],
    *,
    interactive: bool,
    proxy: bool,
) -> None:
    from cowl.cli.terminal import Raw, copy_size

    console = process.console
    terminal = 0 if interactive else 1
    copy_size(terminal, console)
    with (
        Forwarder(send, lambda: copy_size(terminal, console), proxy=proxy) as alarm,
        Raw(terminal, output_only=not interactive),
    ):
        try:
            relay(pumps, exited, alarm)
        except Detached:
            process.let_go()
            raise
