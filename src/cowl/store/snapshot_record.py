"""The record of a snapshot, its names, and what can be wrong with the one that was asked for."""

from __future__ import annotations

import re

from cowl.errors import Conflict, Invalid, NotFound
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cowl.store.layers import Layer

SHORT = 12  # digits of an ID, as Docker shows it
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")  # as containers are called
_LIKE_AN_ID = re.compile(rf"[0-9a-f]{{{SHORT},64}}")


class NoSuchSnapshot(NotFound):
    """No snapshot goes by that name or ID. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(f"No such snapshot: {text}", hint="`cowl snapshot ls` lists what is there")
        self.text = text


class AmbiguousSnapshotId(Invalid):
    """The beginning of an ID that several snapshots have. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(f"Multiple IDs found with provided prefix: {text}", hint="give more of its digits")
        self.text = text


class InvalidSnapshotName(Invalid):
    """A snapshot can't be called that. Fields: name, why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"invalid snapshot name {name!r}: {why}")
        self.name = name
        self.why = why


class SnapshotNameInUse(Conflict):
    """Another snapshot has the name. Fields: name, snapshot_id."""

    def __init__(self, name: str, snapshot_id: str) -> None:
        super().__init__(
            f"the snapshot name {name!r} is already in use by snapshot {snapshot_id[:SHORT]}",
            hint=f"choose another name, or remove that one: cowl snapshot rm {name}",
        )
        self.name = name
        self.snapshot_id = snapshot_id


class SnapshotInUse(Conflict):
    """Containers stand on the snapshot. Fields: snapshot_id, containers (their names)."""

    def __init__(self, name: str, snapshot_id: str, containers: Sequence[str]) -> None:
        text = name or snapshot_id[:SHORT]
        several = f"{len(containers)} containers stand" if len(containers) > 1 else "a container stands"
        names = ", ".join(containers[:3]) + (", ..." if len(containers) > 3 else "")
        super().__init__(
            f"conflict: unable to remove snapshot {text} (must force) - {several} on it: {names}",
            hint="remove them first; with --force they stay and keep their files",
        )
        self.snapshot_id = snapshot_id
        self.containers = tuple(containers)


class StackTooDeep(Conflict):
    """One more layer, and the kernel could not mount the container. Fields: container (its name), layers."""

    def __init__(self, container: str, layers: int) -> None:
        super().__init__(
            f"container {container} stands on {layers} layers, and the kernel mounts no more",
            hint="commit it and squash the image (cowl squash), then go on from that one",
        )
        self.container = container
        self.layers = layers


class SnapshotRecord(Value):
    """A snapshot as the store holds it.

    name          "" if it has none
    container_id  whose upper it was; that one may be gone
    image_id      what that one was made from; may be gone too
    settings      of that container, as the container room keeps them
    layers        the whole stack, bottom first; the topmost was the upper, unless that was empty
    image_layers  how many of them, from below, are the image's own
    """

    id: str
    name: str
    container_id: str
    image_id: str
    settings: dict[str, Any]
    message: str
    created_at: float
    last_used: float
    layers: tuple[Layer, ...]
    image_layers: int

    @property
    def layer_keys(self) -> tuple[str, ...]:
        """The keys of the layers, bottom first."""
        return tuple(layer.key for layer in self.layers)


def check_snapshot_name(name: str) -> str:
    """The name. Raises InvalidSnapshotName: also for what would be taken for an ID."""
    if not _NAME.fullmatch(name):
        raise InvalidSnapshotName(name, "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two characters at least")
    if _LIKE_AN_ID.fullmatch(name):
        raise InvalidSnapshotName(name, "it looks like an ID")
    return name
