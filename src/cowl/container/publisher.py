"""Who makes images of containers: the room of transfers, which this one never sees. For type checking."""

from __future__ import annotations

from typing import Protocol

from cowl.store.container_record import ContainerRecord
from cowl.store.snapshot_record import SnapshotRecord


class CommittedImage(Protocol):
    """What comes of a commit: a cowl.Image."""

    @property
    def id(self) -> str:
        """ "sha256:..." of its config."""


class Publisher(Protocol):
    """Makes images. `changes` are Dockerfile instructions for the config."""

    def commit(
        self,
        record: ContainerRecord,
        reference: str,
        *,
        message: str,
        author: str,
        changes: tuple[str, ...],
        pause: bool,
        user: tuple[int, int],
    ) -> CommittedImage:
        """An image of a container as it is now."""

    def promote(
        self, record: SnapshotRecord, reference: str, *, message: str, author: str, changes: tuple[str, ...]
    ) -> CommittedImage:
        """An image of a snapshot."""
