"""A container's standard streams: pipes of our own, so that no file or terminal of the caller's gets in.

A descriptor of a regular file can be opened again through /proc/self/fd with more rights, one of a
terminal takes ioctls, one of a directory leads out of the root. A pipe gives nothing away: the
caller's own pipes are handed on as they are, everything else is relayed.

The runtime relays what a payload must not hold, too, for callers of the API; but its relays live in
a session of their own, where the job control of our terminal does not reach. These stop with us on
Ctrl-Z, and a command in the background does not read what is typed for the shell.
"""

from __future__ import annotations

import os
import select
import stat

from cowl.errors import CowlError, Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from cowl.cli.detach_keys import DetachKeys

    Keep: TypeAlias = Callable[[bytes], object]

CHUNK = 1 << 16


class Pump:
    """Bytes from one descriptor to another, with one chunk between. Its `source` or `sink` may be ours.

    A sink that nobody reads any more ends it like the end of the source. `owned` are the descriptors
    that it closes at its end: closing our end of a pipe is how the other side learns of it. `keep` gets
    a copy of all.
    """

    def __init__(
        self, source: int, sink: int, owned: tuple[int, ...], *, output: bool, keep: Keep | None = None
    ) -> None:
        self.source = source
        self.sink = sink
        self.output = output
        self.done = False
        self._owned = owned
        self._keep = keep
        self._held = memoryview(b"")

    def wants(self) -> tuple[int, int]:
        """(descriptor, poll event) that it waits for."""
        return (self.sink, select.POLLOUT) if self._held else (self.source, select.POLLIN)

    def step(self) -> bool:
        """One read or write, once what it wants is there; False when nothing was to be had."""
        try:
            if not self._held:
                self._held = memoryview(self._read())
                if not self._held:
                    self.finish()
                    return False
                if self._keep is not None:
                    self._keep(bytes(self._held))
            self._held = self._held[os.write(self.sink, self._held) :]
        except BlockingIOError:
            return False
        except OSError:  # EPIPE, EBADF; EIO of a terminal whose other side is gone
            self.finish()
            return False
        return True

    def _read(self) -> bytes:
        """Some bytes, b"" at the end. Raises BlockingIOError for none that are to be passed on."""
        return os.read(self.source, CHUNK)

    def finish(self) -> None:
        """Closes what it owns. Idempotent."""
        if not self.done:
            self.done = True
            for fd in self._owned:
                os.close(fd)


class Detached(CowlError):
    """The keys came that leave it. The process runs on."""

    exit_status = 1  # Docker's, for attach and exec

    def __init__(self) -> None:
        super().__init__("read escape sequence")


class KeyedPump(Pump):
    """What is typed for a terminal, until the keys that leave it. Its step raises Detached then."""

    def __init__(self, console: int, keys: DetachKeys) -> None:
        super().__init__(0, console, (), output=False)
        self._keys = keys
        self._left = False

    def step(self) -> bool:
        more = super().step()
        if self._left and not self._held:
            raise Detached
        return more

    def _read(self) -> bytes:
        data = super()._read()
        if not data:
            return data
        data, self._left = self._keys.feed(data)
        if not data:
            raise BlockingIOError
        return data


class NotATerminal(Invalid):
    """-i and -t together, but standard input is no terminal."""

    exit_status = 1  # Docker's, for run too


def check_terminal(*, interactive: bool, tty: bool) -> None:
    """Raises NotATerminal before anything is started."""
    if interactive and tty and not os.isatty(0):
        raise NotATerminal("the input device is not a TTY", hint="Leave out -t, or -i.")


class Streams(Value):
    """What the container gets as 0, 1 and 2, and what we relay. `ours` is closed once it has them."""

    child: tuple[int, int, int]
    pumps: tuple[Pump, ...]
    ours: tuple[int, ...]

    def close_child(self) -> None:
        """Closes the container's ends here: else no end of file is ever seen."""
        for fd in self.ours:
            os.close(fd)

    def close_all(self) -> None:
        """Closes everything, when nothing was started."""
        self.close_child()
        for pump in self.pumps:
            pump.finish()


def open_streams(
    *, interactive: bool, tty: bool, keep: Callable[[str, bytes], object] | None = None
) -> Streams:
    """Streams for a process: an empty stdin without `interactive`; with `tty` only a terminal, later.

    keep  gets ("stdout" or "stderr", bytes) of all output, which then passes through us in any case
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    if tty:
        return Streams((null, null, null), (), (null,))
    ours, pumps = [null], list[Pump]()
    stdin = _inlet(ours, pumps, null) if interactive else null
    if keep is not None:
        stdout = _kept_outlet(1, ours, pumps, null, lambda data: keep("stdout", data))
        stderr = _kept_outlet(2, ours, pumps, null, lambda data: keep("stderr", data))
        return Streams((stdin, stdout, stderr), tuple(pumps), tuple(ours))
    stdout = _outlet(1, ours, pumps, null)
    # where both lead to the same place one pipe keeps the order in which they were written
    stderr = stdout if _same(1, 2) else _outlet(2, ours, pumps, null)
    return Streams((stdin, stdout, stderr), tuple(pumps), tuple(ours))


def console_pumps(
    console: int, *, interactive: bool, keep: Keep | None = None, keys: DetachKeys | None = None
) -> tuple[Pump, ...]:
    """The relays of a terminal. The console belongs to whoever started the process."""
    os.set_blocking(console, False)
    pumps = [Pump(console, 1, (), output=True, keep=keep)]
    if interactive and keys is not None:
        pumps.append(KeyedPump(console, keys))
    elif interactive:
        pumps.append(Pump(0, console, (), output=False))
    return tuple(pumps)


def _inlet(ours: list[int], pumps: list[Pump], null: int) -> int:
    if not _is_open(0) or _is_null(0):
        return null
    if _is_pipe(0):
        return 0
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    ours.append(reader)
    pumps.append(Pump(0, writer, (writer,), output=False))
    return reader


def _outlet(fd: int, ours: list[int], pumps: list[Pump], null: int) -> int:
    if not _is_open(fd) or _is_null(fd):
        return null
    if _is_pipe(fd):
        return fd
    reader, writer = os.pipe()
    ours.append(writer)
    pumps.append(Pump(reader, fd, (reader,), output=True))
    return writer


def _kept_outlet(fd: int, ours: list[int], pumps: list[Pump], null: int, keep: Keep) -> int:
    reader, writer = os.pipe()
    ours.append(writer)
    pumps.append(Pump(reader, fd if _is_open(fd) else null, (reader,), output=True, keep=keep))
    return writer


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _is_pipe(fd: int) -> bool:
    return stat.S_ISFIFO(os.fstat(fd).st_mode)


def _is_null(fd: int) -> bool:
    status = os.fstat(fd)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)


def _same(one: int, other: int) -> bool:
    """Whether two descriptors lead to the same file, pipe or terminal."""
    return _is_open(one) and _is_open(other) and os.path.sameopenfile(one, other)


class Alarm:
    """Signals that arrive while we relay. `fd` becomes readable then, or is -1; this one hears nothing."""

    fd = -1

    def ring(self) -> float | None:
        """Handles what came; in how many seconds to ring again, whatever comes."""
        return None


def relay(pumps: tuple[Pump, ...], exited: int, alarm: Alarm) -> None:
    """Pumps until the process behind the pidfd `exited` has ended, then what it left behind."""
    delay: float | None = None
    while True:
        waiting = _waiting(pumps)
        poller = select.poll()
        poller.register(exited, select.POLLIN)
        if alarm.fd >= 0:
            poller.register(alarm.fd, select.POLLIN)
        for fd, wanted in waiting.items():
            poller.register(fd, select.POLLIN * bool(wanted[0]) | select.POLLOUT * bool(wanted[1]))
        ready = {fd for fd, _ in poller.poll(None if delay is None else int(delay * 1000) + 1)}
        if alarm.fd in ready or not ready:
            delay = alarm.ring()
        for fd in ready & waiting.keys():
            for pump in waiting[fd][0] + waiting[fd][1]:
                pump.step()
        if exited in ready:
            _drain(pumps)
            return


def _waiting(pumps: tuple[Pump, ...]) -> dict[int, tuple[list[Pump], list[Pump]]]:
    """By descriptor, the pumps that want to read from it and to write to it: a console is both."""
    waiting: dict[int, tuple[list[Pump], list[Pump]]] = {}
    for pump in pumps:
        if not pump.done:
            fd, event = pump.wants()
            waiting.setdefault(fd, ([], []))[event == select.POLLOUT].append(pump)
    return waiting


def _drain(pumps: tuple[Pump, ...]) -> None:
    """The rest of the output. Who still holds the other end, in an exec, is not waited for."""
    for pump in pumps:
        if pump.output and not pump.done:
            os.set_blocking(pump.source, False)
        while pump.output and not pump.done:
            fd, event = pump.wants()
            if event == select.POLLOUT:
                _until_writable(fd)
            if not pump.step() and event == select.POLLIN:
                break
        pump.finish()


def _until_writable(fd: int) -> None:
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    poller.poll()
