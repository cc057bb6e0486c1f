"""A monitor that waits for a container to look after: its interpreter loads while others are busy."""

from __future__ import annotations

from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.detached import MonitorStart


class StandbyMonitor:
    """At most one that has nothing to do yet. Safe to use from several threads."""

    def __init__(self) -> None:
        self._waiting: MonitorStart | None = None
        self._lock = allocate_lock()

    def prepare(self) -> None:
        """Starts one, unless one waits already."""
        with self._lock:
            if self._waiting is None:
                self._waiting = _start()

    def take(self, *, mapped: bool) -> MonitorStart:
        """The one that waits, or a new one. `mapped`: the container has a user namespace of its own."""
        if not mapped:  # what waits may run from an executable that the container's root could write
            return _start(mapped=False)
        with self._lock:
            found, self._waiting = self._waiting, None
        return found or _start()

    def close(self) -> None:
        """Ends the one that waits. Idempotent."""
        found, self._waiting = self._waiting, None
        if found is not None:
            found.close()


def _start(*, mapped: bool = True) -> MonitorStart:
    from cowl.container.detached import MonitorStart

    return MonitorStart(mapped=mapped)
