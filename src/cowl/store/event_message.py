"""One event, and which ones are wanted: pure."""

from __future__ import annotations

from cowl.errors import Invalid
from cowl.oci.reference import InvalidReference, Reference
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

FILTERS = ("container", "event", "image", "label", "network", "scope", "type", "volume")
_NAMED = ("container", "network", "volume")
_OPEN_ENDED = ("health_status", "exec_create", "exec_start")  # actions that go on behind a colon


class InvalidEventFilter(Invalid):
    """A key that events have no filter for. Field: key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"invalid filter '{key}'", hint=f"The filters are {', '.join(FILTERS)}.")
        self.key = key


class EventMessage(Value):
    """Something that happened to an object of the store.

    type        "container", "image", "volume" or "network"
    action      Docker's word for it: "create", "start", "die", "health_status: healthy", ...
    actor       the object's ID; the name of a volume, and of what was pulled
    attributes  by Docker's names, with the object's labels among them
    time_ns     when, in nanoseconds since the epoch
    """

    type: str
    action: str
    actor: str
    attributes: dict[str, str]
    time_ns: int

    def attrs(self) -> dict[str, Any]:
        """The JSON value that `docker events` prints, in its order."""
        older: dict[str, Any] = {}
        if self.type in ("container", "image"):
            older = {"status": self.action, "id": self.actor}
        if self.type == "container" and self.attributes.get("image"):
            older["from"] = self.attributes["image"]
        return {
            **older,
            "Type": self.type,
            "Action": self.action,
            "Actor": {"ID": self.actor, "Attributes": dict(sorted(self.attributes.items()))},
            "scope": "local",
            "time": self.time_ns // 10**9,
            "timeNano": self.time_ns,
        }


class EventFilter:
    """Docker's filters: of one key any value suffices, but labels must all be there; all keys must be met."""

    def __init__(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Raises InvalidEventFilter."""
        unknown = [key for key in wanted if key not in FILTERS]
        if unknown:
            raise InvalidEventFilter(unknown[0])
        self._wanted = {key: tuple(values) for key, values in wanted.items() if values}

    def __call__(self, event: EventMessage) -> bool:
        """Whether the event is wanted."""
        return all(_meets(event, key, values) for key, values in self._wanted.items())


def _meets(event: EventMessage, key: str, values: tuple[str, ...]) -> bool:
    if key == "type":
        return event.type in values
    if key == "scope":
        return "local" in values
    if key == "event":
        return event.action in values or any(
            event.action.startswith(f"{value}:") for value in values if value in _OPEN_ENDED
        )
    if key == "label":
        return _has_labels(event.attributes, values)
    if key == "image":
        return bool({*values} & _image_names(event))
    names = (event.actor, event.attributes.get("name", ""))
    return event.type == key and any(name.startswith(value) for name in names for value in values)


def _has_labels(attributes: dict[str, str], values: tuple[str, ...]) -> bool:
    pairs = (value.partition("=") for value in values)
    return all(key in attributes and (not equals or attributes[key] == text) for key, equals, text in pairs)


def _image_names(event: EventMessage) -> set[str]:
    """What an event's image goes by, with and without its tag."""
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    names = {event.actor, name} if event.type == "image" else {name}
    return names | {_without_tag(each) for each in names}


def _without_tag(name: str) -> str:
    try:
        return Reference.parse(name).familiar_repository
    except InvalidReference:
        return name
