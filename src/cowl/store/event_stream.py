"""Events as they are read: those that are kept, then those to come."""

from __future__ import annotations

import fcntl
import json
import os
import select
import time

from cowl.linux.inotify import DirectoryWatch
from cowl.store.event_message import EventFilter, EventMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from cowl.store.database import Database

_LOOK_SECONDS = 5.0  # where the file system tells nobody of changes, such as one shared with other machines
_SELECT = "SELECT id, type, action, actor, attributes, time_ns, labels FROM events"


class EventStream:
    """Events in their order: those that are kept from `since` on, then those to come, up to `until`.

    since_ns  nanoseconds since the epoch; None: only what comes from now on
    until_ns  likewise; None: for ever
    An iterator. `close` ends it, also from another thread, as does the end of a `with` block.
    """

    _ended = _end = -1  # a pipe that `close` hangs up

    def __init__(
        self, database: Database, since_ns: int | None, until_ns: int | None, wanted: EventFilter
    ) -> None:
        self._database = database
        self._until_ns = until_ns
        self._wanted = wanted
        self._found: list[EventMessage] = []
        self._over = False
        self._ended, self._end = os.pipe()
        self._watch = DirectoryWatch(database.root.path)
        self._last = self._number_before(since_ns)

    def _number_before(self, since_ns: int | None) -> int:
        """The number of the last event that is too old."""
        if since_ns is None:
            row = self._database.row("SELECT max(id) FROM events")
        else:
            row = self._database.row("SELECT min(id) - 1 FROM events WHERE time_ns >= ?", (since_ns,))
            if row == (None,):
                row = self._database.row("SELECT max(id) FROM events")
        return row[0] or 0 if row else 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> EventMessage:
        """The next event, waited for. Raises StopIteration once `until` has come, or after `close`."""
        while not self._found:
            if self._over:
                raise StopIteration
            past = self._until_ns is not None and time.time_ns() > self._until_ns
            self._read()
            if past:
                self._over = True
            elif not self._found:
                self._sleep()
        return self._found.pop(0)

    def _read(self) -> None:
        rows = self._database.rows(f"{_SELECT} WHERE id > ? ORDER BY id", (self._last,))
        for number, kind, action, actor, attributes, time_ns, labels in rows:
            self._last = number
            if self._until_ns is not None and time_ns > self._until_ns:
                continue
            pairs = dict(json.loads(labels)) if labels else {}
            event = EventMessage(kind, action, actor, {**pairs, **json.loads(attributes)}, time_ns)
            if self._wanted(event):
                self._found.append(event)

    def _sleep(self) -> None:
        """Until somebody has written to the database, and what he wrote can be read."""
        left = _LOOK_SECONDS
        if self._until_ns is not None:
            left = min(left, max(0.0, (self._until_ns - time.time_ns()) / 1e9) + 0.001)
        poller = select.poll()
        poller.register(self._ended, select.POLLIN)
        poller.register(self._watch.fileno(), select.POLLIN)
        ready = dict(poller.poll(int(left * 1000) + 1))
        if self._ended in ready:
            self._over = True
        elif ready:
            self._watch.drain()
            self._await_commit()

    def _await_commit(self) -> None:
        """A write is seen before its commit is; who writes holds the lock until then."""
        fd = os.open(self._database.root.database_lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Ends it: whoever waits for the next event gets none. Idempotent."""
        self._over = True
        end, self._end = self._end, -1
        if end >= 0:
            os.close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
        if self._ended >= 0:
            os.close(self._ended)
