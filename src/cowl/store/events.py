"""The events of a store: noted by who changes no row, see `event_log` for the others, and read."""

from __future__ import annotations

from cowl.errors import Unavailable
from cowl.store.event_log import write_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cowl.store.container_record import ContainerRecord
    from cowl.store.database import Database
    from cowl.store.event_message import EventFilter
    from cowl.store.event_stream import EventStream


class Events:
    """The events of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(
        self,
        kind: str,
        action: str,
        actor: str,
        attributes: Mapping[str, str],
        labels: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Notes what has just been done, or is about to be, where no transaction tells it; see `write_event`.

        Never fails what it is about: an event that a full disk has no room for is lost.
        """
        try:
            with self._database.write(doing="noting an event") as transaction:
                write_event(transaction, kind, action, actor, attributes, labels)
        except Unavailable:
            pass

    def note_container(
        self, record: ContainerRecord, action: str, attributes: Mapping[str, str] | None = None
    ) -> None:
        """The same of a container, which may be gone by now."""
        known = {"image": record.settings["image"], "name": record.name}
        labels = tuple((key, value) for key, value in record.settings.get("labels", ()))
        self.note("container", action, record.id, {**known, **(attributes or {})}, labels)

    def stream(self, since_ns: int | None, until_ns: int | None, wanted: EventFilter) -> EventStream:
        """See `EventStream`."""
        from cowl.store.event_stream import EventStream

        return EventStream(self._database, since_ns, until_ns, wanted)
