"""Volumes as users see them."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cowl.store.store import Store
    from cowl.store.volumes import VolumeRecord

ANONYMOUS_LABEL = "com.docker.volume.anonymous"  # by which Docker tells them, and shows them


class Volume:
    """A volume: a directory that outlives containers. A handle, as of the last look at the store.

    Made by `Engine.create_volume`, `Engine.volume` and `Engine.volumes`.
    """

    def __init__(self, store: Store, record: VolumeRecord) -> None:
        self._store = store
        self._record = record

    @property
    def name(self) -> str:
        """As given, or 64 hex digits."""
        return self._record.name

    @property
    def anonymous(self) -> bool:
        """Whether its name is made up and nobody has asked for it by that: it may go with its container."""
        return self._record.anonymous

    @property
    def labels(self) -> dict[str, str]:
        """Those that it was created with; an anonymous one has Docker's label for that too."""
        own = dict(self._record.labels)
        return {ANONYMOUS_LABEL: "", **own} if self.anonymous else own

    @property
    def created_at(self) -> float:
        """Seconds since the epoch."""
        return self._record.created_at

    @property
    def last_used(self) -> float:
        """Seconds since the epoch: when a container last took it or let go of it."""
        return self._record.last_used

    @property
    def mountpoint(self) -> str:
        """The directory of the host that containers see."""
        return self._record.path

    @property
    def containers(self) -> tuple[str, ...]:
        """IDs of the containers that have it, running or not."""
        return self._record.containers

    def size(self) -> int:
        """Apparent bytes of what is in it, walked if somebody has used it since the last time.

        Raises NotFound.
        """
        return self._store.volumes.measure(self.name)[0]

    def attrs(self) -> dict[str, Any]:
        """The JSON value of `docker volume inspect`."""
        return {
            "CreatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(self.created_at))),
            "Driver": "local",
            "Labels": self.labels or None,
            "Mountpoint": self.mountpoint,
            "Name": self.name,
            "Options": None,
            "Scope": "local",
        }

    def remove(self) -> None:
        """Deletes it with all that is in it. Raises NotFound, Conflict while a container has it."""
        self._store.volumes.remove(self.name)

    def __repr__(self) -> str:
        return f"<Volume {self.name}>"


def create(store: Store, name: str, labels: Mapping[str, str] | Sequence[str]) -> Volume:
    """See `Engine.create_volume`."""
    from cowl.container.words import label_pairs

    return Volume(store, store.volumes.create(name, dict(label_pairs(labels))))
