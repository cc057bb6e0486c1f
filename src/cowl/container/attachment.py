"""Attached to a running container: its output as it comes, input for it, and how it ended."""

from __future__ import annotations

import os
import select
from collections import deque

from cowl.container import attach_words as words
from cowl.errors import Conflict, NotFound, Unavailable
from cowl.linux.local_socket import connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from cowl.container.lifecycle import Containers
    from cowl.store.container_record import ContainerRecord

_WELCOME_SECONDS = 60.0


class CannotAttach(Conflict):
    """The container is not in a state to be attached to. Field: container_id."""

    def __init__(self, container_id: str, reason: str, hint: str = "") -> None:
        self.container_id = container_id
        super().__init__(reason, hint=hint)


class AttachRefused(Unavailable):
    """Its monitor does not answer, or wants nobody more."""


class InputNotTaken(Conflict):
    """More input was sent before the container had read the last: see `Attachment.may_send`."""


class Attachment:
    """Made by Container.attach and Container.start_attached. For one thread at a time.

    tty            its terminal gives one stream, "stdout"
    feeds          our input goes to the container
    exit_code      None until the container's run has ended and we have read all
    skipped_bytes  of output that we were too slow for: a container waits a second for a reader that
                   takes nothing, no longer. Its logs have them

    Close it, or use `with`: the container goes on. One that was made with `stdin_once` then reads the end
    of its input.
    """

    def __init__(self, fd: int, *, tty: bool, feeds: bool, end: Callable[[], int]) -> None:
        """end: gives the exit code if nobody tells it, since the monitor was killed."""
        self.tty = tty
        self.feeds = feeds
        self.exit_code: int | None = None
        self.skipped_bytes = 0
        self._fd = fd
        self._end = end
        self._owed = False
        self._kept: deque[tuple[str, bytes]] = deque()  # read while we waited for something else
        if feeds:
            self._say(words.FEEDS)

    def fileno(self) -> int:
        """Readable when `receive` has something to read. For poll(2) only."""
        return self._fd

    @property
    def may_send(self) -> bool:
        """Whether it has read all the input that was sent; else `receive` will hear of it."""
        return self.feeds and not self._owed

    def offer(self, data: bytes) -> None:
        """Sends some input, at most 16 KiB, without waiting. Raises InputNotTaken unless `may_send`."""
        if not self.may_send or len(data) > words.CHUNK:
            raise InputNotTaken("the container has not read its last input yet")
        self._owed = True
        self._say(words.INPUT + data)

    def send(self, data: bytes) -> None:
        """Sends input, and returns when the container has read it, or will read no more.

        What it prints meanwhile is kept for `receive`. Raises InputNotTaken without input.
        """
        view = memoryview(data)
        while view and self._fd >= 0 and self.exit_code is None:
            self.offer(bytes(view[: words.CHUNK]))
            view = view[words.CHUNK :]
            while self._owed and self.exit_code is None:
                self._keep(self._message())

    def end_input(self) -> None:
        """There will be no more input. Of a container without `stdin_once` the input stays open."""
        if self.feeds:
            self._say(words.INPUT_END)
        self.feeds = False

    def resize(self, rows: int, columns: int) -> None:
        """The size of the window, for one with a terminal."""
        self._say(words.WINDOW + b"%d %d" % (rows, columns))

    def receive(self) -> tuple[str, bytes] | None:
        """The next output, ("stdout" or "stderr", bytes); blocks. None once it has ended: see `exit_code`.

        b"" says that something else has changed: `may_send`, or `skipped_bytes`.
        """
        if self._kept:
            return self._kept.popleft()
        if self.exit_code is not None:
            return None
        return self._understand(self._message())

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """All output until it ends."""
        while (found := self.receive()) is not None:
            if found[1]:
                yield found

    def wait(self) -> int:
        """The exit code, once it has ended; what it prints until then is thrown away."""
        for _ in self:
            pass
        return self.exit_code or 0

    def close(self) -> None:
        """Lets go of it. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _keep(self, message: bytes) -> None:
        found = self._understand(message)
        if found is not None and found[1]:
            self._kept.append(found)

    def _understand(self, message: bytes) -> tuple[str, bytes] | None:
        kind, data = message[:1], message[1:]
        if kind in (words.STDOUT, words.STDERR):
            return ("stdout" if kind == words.STDOUT else "stderr"), data
        if kind == words.TAKEN:
            self._owed = False
        elif kind == words.SKIPPED:
            self.skipped_bytes += int(data)
        elif kind == words.ENDED:
            self.exit_code = int(data)
            return None
        elif not kind:
            self.exit_code = self._end()
            return None
        return "stdout", b""

    def _message(self) -> bytes:
        return _read(self._fd)

    def _say(self, message: bytes) -> None:
        """To a monitor that may have gone, which `receive` will notice."""
        try:
            os.write(self._fd, message)
        except OSError:
            self._owed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()


def attach(service: Containers, record: ContainerRecord, *, stdin: bool) -> Attachment:
    """See Container.attach."""
    _check_state(record)
    try:
        fd = connect(record.directory, words.SOCKET)
    except (FileNotFoundError, ConnectionRefusedError):
        raise _unattended(service, record) from None
    return opened(service, record, fd, stdin=stdin)


def opened(service: Containers, record: ContainerRecord, fd: int, *, stdin: bool) -> Attachment:
    """On a connected socket, once the monitor has said that we are welcome. Raises AttachRefused."""
    try:
        answer = _first(fd)
        if answer[:1] == words.REFUSED:
            raise AttachRefused(f"can't attach to {record.name}: {answer[1:].decode()}")
        if answer != words.WELCOME:
            raise CannotAttach(record.id, f"can't attach to {record.name}: it has just ended")
    except BaseException:
        os.close(fd)
        raise
    feeds = stdin and record.settings["open_stdin"]
    return Attachment(fd, tty=record.settings["tty"], feeds=feeds, end=lambda: _code(service, record))


def _first(fd: int) -> bytes:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    if not poller.poll(int(_WELCOME_SECONDS * 1000)):
        raise AttachRefused(
            "the container's monitor does not answer", hint="is it stopped, or does the container restart?"
        )
    return _read(fd)


def _read(fd: int) -> bytes:
    """The next message, b"" at the end."""
    try:
        return os.read(fd, words.LONGEST)
    except ConnectionResetError:
        # The monitor has gone without reading all we said. That is told first, and once: what it had said
        # before, the exit code as the last, is still in the queue.
        return os.read(fd, words.LONGEST)


def _check_state(record: ContainerRecord) -> None:
    """Raises CannotAttach, in Docker's words."""
    if record.state == "paused":
        raise CannotAttach(record.id, "cannot attach to a paused container, unpause it first")
    if record.state == "restarting":
        raise CannotAttach(record.id, "cannot attach to a restarting container, wait until it is running")
    if record.state != "running":
        raise CannotAttach(record.id, "cannot attach to a stopped container, start it first")


def _unattended(service: Containers, record: ContainerRecord) -> CannotAttach:
    """Nobody listens: it has ended, or whoever started it has its streams."""
    current = service.find(record.id).record
    _check_state(current)
    return CannotAttach(
        record.id,
        f"cannot attach to {record.name}: another command runs it in the foreground and has its streams",
        hint="attach to what was started with -d or -it; cowl logs -f shows what this one prints",
    )


def _code(service: Containers, record: ContainerRecord) -> int:
    """The exit code by the container's row."""
    from cowl.container.ending import KILLED, watch

    try:
        return watch(service.store, record, None)[0]
    except NotFound:
        return KILLED  # it was removed with its monitor
