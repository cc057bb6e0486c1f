"""attach, and run and start by way of a monitor: our streams on a container that can do without us."""

from __future__ import annotations

import errno
import os
import select
import sys
from contextlib import ExitStack

from cowl import CowlError
from cowl.cli.detach_keys import check_keys, detach_keys
from cowl.cli.signals import Forwarder
from cowl.cli.streams import Alarm, Detached, check_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl import Attachment, Container, Engine
    from cowl.cli.call import Call
    from cowl.cli.detach_keys import DetachKeys

CHUNK = 1 << 14
_HUNG_UP = 129  # 128 + SIGHUP


def attach(call: Call) -> int:
    """`cowl attach`: the exit code is the container's, or 1 when the detach keys are pressed."""
    check_keys(call)
    with call.engine() as engine:
        box = engine.container(call.words[0])
        attachment = box.attach(stdin=not call.on("no-stdin"))
        with attachment:
            check_terminal(interactive=not call.on("no-stdin"), tty=attachment.tty)
            proxy = call.on("sig-proxy") and not attachment.tty
            return _converse(call, engine, box, attachment, proxy=proxy, again=True)


def run_attached(call: Call) -> int:
    """`cowl run -it`, and what has a restart policy: leaving it does not end it."""
    from cowl.cli.create import fetch_and_create
    from cowl.cli.new_container import PullListener

    check_keys(call)
    listener = PullListener(quiet=call.on("quiet"))
    with call.engine(listener) as engine:
        engine.warm_up(detach=True)
        box = fetch_and_create(call, engine, listener)
        return _start(call, engine, box, interactive=call.on("interactive"), proxy=call.on("sig-proxy"))


def start_attached(call: Call, engine: Engine, box: Container, *, interactive: bool) -> int:
    """`cowl start -a` of one that runs already, or that can be left."""
    check_keys(call)
    proxy = call.on("sig-proxy") and not box.settings.tty
    if box.state == "running":
        with box.attach(stdin=interactive) as attachment:
            try:
                return _converse(call, engine, box, attachment, proxy=proxy, again=True)
            except Detached:
                return 0
    return _start(call, engine, box, interactive=interactive, proxy=proxy)


def _start(call: Call, engine: Engine, box: Container, *, interactive: bool, proxy: bool) -> int:
    from cowl.cli.terminal import window

    size = window(0 if interactive else 1) if box.settings.tty else ()
    with box.start_attached(stdin=interactive, size=size) as attachment:
        try:
            return _converse(call, engine, box, attachment, proxy=proxy, again=False)
        except Detached:
            return 0


def _converse(
    call: Call, engine: Engine, box: Container, attachment: Attachment, *, proxy: bool, again: bool
) -> int:
    """Until it has ended; its exit code. Raises Detached. `again`: the window shows something else."""
    from cowl.cli.interrupts import end_cleanly

    end_cleanly()  # whatever ends us, our terminal is as it was
    keys: DetachKeys | None = None
    resized: Callable[[], None] | None = None
    terminal = 0 if attachment.feeds else 1
    with ExitStack() as stack:
        if attachment.tty:
            from cowl.cli.terminal import Raw

            keys = detach_keys(call, engine.config.auth_file) if attachment.feeds else None
            resized = _resizer(attachment, terminal, again=again)
        forwarder = Forwarder(lambda number: _signal(box, number), resized, proxy=proxy, leaves=True)
        alarm = stack.enter_context(forwarder)
        if attachment.tty:
            stack.enter_context(Raw(terminal, output_only=not attachment.feeds))
        _Conversation(attachment, alarm, keys).run()
    return attachment.exit_code or 0


def _signal(box: Container, number: int) -> None:
    try:
        box.kill(number)
    except CowlError:
        pass  # it has ended


def _resizer(attachment: Attachment, terminal: int, *, again: bool) -> Callable[[], None]:
    """Gives the container's terminal the size of ours, and does so already.

    again  of another size first: what is attached to for the second time draws itself anew for that
    """
    from cowl.cli.terminal import window

    def resize() -> None:
        if size := window(terminal):
            attachment.resize(*size)

    if again and (size := window(terminal)):
        attachment.resize(size[0] + 1, size[1] + 1)
    resize()
    return resize


class _Conversation:
    """Input and output until the end of the container's run, or of our patience."""

    def __init__(self, attachment: Attachment, alarm: Alarm, keys: DetachKeys | None) -> None:
        self._attachment = attachment
        self._alarm = alarm
        self._keys = keys
        self._source = 0 if attachment.feeds else -1
        self._sink = 1
        self._held = memoryview(b"")
        self._missed = 0
        self._delay: float | None = None

    def run(self) -> None:
        """Raises Detached, BrokenPipeError; SystemExit for a signal."""
        while self._attachment.exit_code is None or self._held:
            ready = self._poll()
            if self._alarm.fd in ready or not ready:
                self._delay = self._alarm.ring()
            if self._held and self._sink in ready:
                self._write()
            elif not self._held and self._attachment.fileno() in ready:
                self._receive()
            if self._source in ready and self._attachment.may_send:
                self._feed()

    def _poll(self) -> set[int]:
        poller = select.poll()
        if self._alarm.fd >= 0:
            poller.register(self._alarm.fd, select.POLLIN)
        if self._held:
            poller.register(self._sink, select.POLLOUT)
        else:
            poller.register(self._attachment.fileno(), select.POLLIN)
        if self._source >= 0 and self._attachment.may_send and self._attachment.exit_code is None:
            poller.register(self._source, select.POLLIN)
        return {fd for fd, _ in poller.poll(None if self._delay is None else int(self._delay * 1000) + 1)}

    def _receive(self) -> None:
        found = self._attachment.receive()
        missed = self._attachment.skipped_bytes
        if missed > self._missed:
            print(
                f"cowl: {missed - self._missed} bytes of output were left out: we were too slow to take them",
                file=sys.stderr,
            )
            self._missed = missed
        if found is not None and found[1]:
            stream, data = found
            self._sink, self._held = (1 if stream == "stdout" else 2), memoryview(data)

    def _write(self) -> None:
        try:
            self._held = self._held[os.write(self._sink, self._held) :]
        except BlockingIOError:
            return
        except OSError as error:
            if self._sink == 1 and error.errno == errno.EPIPE:
                raise
            if error.errno == errno.EIO:  # our terminal is gone
                raise SystemExit(_HUNG_UP) from None
            self._held = memoryview(b"")

    def _feed(self) -> None:
        try:
            data = os.read(self._source, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: our terminal is gone
            data = b""
        if not data:
            self._source = -1
            self._attachment.end_input()
            return
        left = False
        if self._keys is not None:
            data, left = self._keys.feed(data)
        if data:
            self._attachment.offer(data)
        if left:
            raise Detached
