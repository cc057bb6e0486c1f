"""A loop over descriptors and timers: how a monitor does several things without threads."""

from __future__ import annotations

import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Action = Callable[[], object]


class Loop:
    """Calls actions when a descriptor is ready or a time has come. One thread; nothing may block in them."""

    def __init__(self) -> None:
        self._poller = select.poll()
        self._actions: dict[int, Action] = {}
        self._timers: dict[int, tuple[float, Action]] = {}
        self._next = 0

    def watch(self, fd: int, action: Action, events: int = select.POLLIN) -> None:
        """Calls `action` whenever `fd` is ready for `events` or hung up, until it is forgotten.

        A second call for the same `fd` takes the place of the first.
        """
        self._poller.register(fd, events)
        self._actions[fd] = action

    def forget(self, fd: int) -> None:
        """Watches `fd` no more; call it before the descriptor is closed. Idempotent."""
        if self._actions.pop(fd, None) is not None:
            self._poller.unregister(fd)

    def later(self, seconds: float, action: Action) -> int:
        """Calls `action` once, in so many seconds; gives what `cancel` takes."""
        self._next += 1
        self._timers[self._next] = (time.monotonic() + seconds, action)
        return self._next

    def cancel(self, timer: int) -> None:
        """The timer will not ring. Idempotent, also for one that has rung."""
        self._timers.pop(timer, None)

    def run(self, done: Callable[[], bool]) -> None:
        """Until `done` says so; it is asked after every round of actions."""
        while not done():
            self._round()

    def _round(self) -> None:
        ready = [fd for fd, _ in self._poller.poll(self._milliseconds())]
        for fd in ready:
            action = self._actions.get(fd)  # an earlier action may have had it forgotten
            if action is not None:
                action()
        now = time.monotonic()
        for timer, (due, action) in [*self._timers.items()]:
            if due <= now and timer in self._timers:
                del self._timers[timer]
                action()

    def _milliseconds(self) -> int | None:
        if not self._timers:
            return None
        left = min(due for due, _ in self._timers.values()) - time.monotonic()
        return max(0, int(left * 1000) + 1)
