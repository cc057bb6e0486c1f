"""The engine's call about events."""

from __future__ import annotations

from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cowl.store.event_stream import EventStream


class EventCalls(Wiring):
    """See Engine."""

    def events(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        filters: Mapping[str, str | Sequence[str]] | None = None,
    ) -> EventStream:
        """What happens to containers, images, volumes and networks, in order; whoever does it.

        since    seconds since the epoch: also what happened from then on, of which the newest some
                 thousands are kept; None: only what happens from this call on
        until    likewise: the iterator ends there; None: never, but for `EventStream.close`
        filters  Docker's, each with one value or several: "type", "event" (its action), "container", "image",
                 "volume", "network", "label", "scope"
        An iterator of EventMessage, and a context manager. Raises Invalid for another filter.
        """
        from cowl.store.event_message import EventFilter

        wanted = {
            key: (value,) if isinstance(value, str) else value for key, value in (filters or {}).items()
        }
        return self.store.events.stream(_nanoseconds(since), _nanoseconds(until), EventFilter(wanted))


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 10**9)
