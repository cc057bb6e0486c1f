"""Whoever is attached to a running container: it prints to all of them, and reads from all of them.

Part of the small program of a monitor: see docs/decisions/0028-attach.md. What is kept for one of them is
never more than one chunk beside what the kernel has queued. One that takes nothing for a while is left
behind, and learns how much it has missed when it goes on.
"""

from __future__ import annotations

import os
import select

from cowl.container import attach_words as words
from cowl.linux.local_socket import accept, peer_uid, queued_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.inlet import Inlet
    from cowl.container.loop import Loop
    from cowl.container.output import Output

MOST = 100  # attached at once
PATIENCE_SECONDS = 1.0  # that the container waits for one who takes nothing


class _Client:
    """One who is attached."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.queue: list[bytes] = []
        self.skipped = 0
        self.behind = False  # what comes is not kept for it
        self.feeds = False
        self.owed = False  # its input is not taken yet
        self.held = 0  # bytes in the kernel's queue when last looked at
        self.timer = 0


class Attachments:
    """Those of one run of a container."""

    def __init__(self, loop: Loop, output: Output, inlet: Inlet | None, *, console: int, once: bool) -> None:
        """console: the terminal, or -1; once: its input ends with that of who is attached."""
        self._loop = loop
        self._output = output
        self._inlet = inlet
        self._console = console
        self._once = once
        self._clients: dict[int, _Client] = {}
        output.listeners.append(self._print)

    def serve(self, listening: int) -> None:
        """Takes in who connects there."""
        self._loop.watch(listening, lambda: self._accept(listening))

    def descriptors(self) -> tuple[int, ...]:
        """Of those that are attached."""
        return tuple(self._clients)

    def add(self, fd: int) -> None:
        """One more, who is told if there are too many."""
        os.set_blocking(fd, False)
        client = _Client(fd)
        if len(self._clients) >= MOST:
            _send(fd, words.REFUSED + b"too many are attached already: %d" % MOST)
            os.close(fd)
            return
        self._clients[fd] = client
        client.queue.append(words.WELCOME)
        self._step(client)

    def finish(self) -> None:
        """The container has ended: returns once they have what it printed, or take no more."""
        self._loop.run(lambda: not any(each.queue and not each.behind for each in self._clients.values()))
        for client in self._clients.values():
            self._loop.cancel(client.timer)
            self._loop.forget(client.fd)

    def _accept(self, listening: int) -> None:
        try:
            fd = accept(listening)
        except OSError:
            return  # it has thought better of it
        if peer_uid(fd) in (0, os.geteuid()):
            self.add(fd)
        else:
            os.close(fd)

    def _print(self, stream: str, data: bytes) -> None:
        tag = words.STDOUT if stream == "stdout" else words.STDERR
        parts = [tag + data[at : at + words.CHUNK] for at in range(0, len(data), words.CHUNK)]
        for client in [*self._clients.values()]:
            if client.behind:
                client.skipped += len(data)
            else:
                client.queue += parts
                self._write(client)

    def _step(self, client: _Client) -> None:
        if self._write(client):
            self._read(client)

    def _write(self, client: _Client) -> bool:
        """Sends what is queued, as far as the kernel takes it; False when the client is gone."""
        try:
            while client.queue:
                os.write(client.fd, client.queue[0])
                del client.queue[0]
                if not client.queue and client.behind:
                    client.queue.append(words.SKIPPED + b"%d" % client.skipped)
                    client.skipped, client.behind = 0, False
        except BlockingIOError:
            self._wait_for(client)
            return True
        except OSError:
            self._drop(client)
            return False
        self._wait_no_more(client)
        self._loop.watch(client.fd, lambda: self._step(client))
        return True

    def _wait_for(self, client: _Client) -> None:
        """The container is held up by this one, for a while."""
        self._loop.watch(client.fd, lambda: self._step(client), select.POLLIN | select.POLLOUT)
        if not client.timer and not client.behind:
            client.held = queued_bytes(client.fd)
            client.timer = self._loop.later(PATIENCE_SECONDS, lambda: self._look_at(client))
            self._output.pause()

    def _look_at(self, client: _Client) -> None:
        """Its time is over: it has taken something meanwhile, or is left behind."""
        client.timer = 0
        if queued_bytes(client.fd) < client.held:
            self._wait_for(client)
            return
        client.behind = True
        self._go_on()

    def _wait_no_more(self, client: _Client) -> None:
        if client.timer:
            self._loop.cancel(client.timer)
            client.timer = 0
            self._go_on()

    def _go_on(self) -> None:
        if not any(each.timer for each in self._clients.values()):
            self._output.resume()

    def _read(self, client: _Client) -> None:
        try:
            message = os.read(client.fd, words.LONGEST)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        kind, data = message[:1], message[1:]
        if kind == words.INPUT and not client.owed:
            self._feed(client, data)
        elif kind == words.WINDOW:
            self._resize(data)
        elif kind == words.FEEDS:
            client.feeds = True
        elif kind == words.INPUT_END:
            self._end_input(client)
        else:  # the end, or what nobody says who keeps to the rules
            self._drop(client)

    def _feed(self, client: _Client, data: bytes) -> None:
        client.owed = True
        if self._inlet is None:
            self._taken(client)
        else:
            self._inlet.give(data, lambda: self._taken(client))

    def _taken(self, client: _Client) -> None:
        client.owed = False
        if self._clients.get(client.fd) is client:
            client.queue.append(words.TAKEN)
            self._write(client)

    def _end_input(self, client: _Client) -> None:
        client.feeds = False
        if self._once and self._inlet is not None:
            self._inlet.end()

    def _resize(self, data: bytes) -> None:
        from cowl.linux.window import set_size

        rows, _, columns = data.partition(b" ")
        if self._console >= 0 and rows.isdigit() and columns.isdigit():
            try:
                set_size(self._console, int(rows), int(columns))
            except OSError:
                pass  # the terminal is gone, and the end will be told soon

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.fd, None) is None:
            return
        self._loop.forget(client.fd)
        os.close(client.fd)
        self._wait_no_more(client)
        if client.feeds:
            self._end_input(client)


def _send(fd: int, message: bytes) -> None:
    """To somebody who may be gone, or not listening."""
    try:
        os.write(fd, message)
    except OSError:
        pass


def dismiss(fds: tuple[int, ...], code: int) -> None:
    """Tells those of a run that has ended how, once that is recorded, and lets go of them."""
    for fd in fds:
        _send(fd, words.ENDED + b"%d" % code)
        os.close(fd)
