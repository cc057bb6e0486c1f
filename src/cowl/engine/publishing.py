"""Images made of containers and snapshots: the rooms of containers, transfers and images put together."""

from __future__ import annotations

import time

from cowl.engine.view import view

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.image.view import Image
    from cowl.oci.image_config import ContainerConfig
    from cowl.store.container_record import ContainerRecord
    from cowl.store.snapshot_record import SnapshotRecord
    from cowl.store.store import Store
    from cowl.transfer.commit import NewImage


class Publishing:
    """See cowl.container.publisher.Publisher."""

    def __init__(self, store: Store) -> None:
        self._store = store

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
    ) -> Image:
        """See `Container.commit`."""
        from cowl.transfer.commit import commit

        wanted = _new_image(record, reference, message, author, changes)
        made = commit(
            record.id,
            wanted,
            lambda base: _configured(record, base),
            pause=pause,
            user=user,
            store=self._store,
            clock=time.time,
        )
        return view(made)

    def promote(
        self, record: SnapshotRecord, reference: str, *, message: str, author: str, changes: tuple[str, ...]
    ) -> Image:
        """See `Snapshot.promote`."""
        from cowl.transfer.commit import promote

        told = message or f"snapshot {record.name or record.id[:12]}"
        wanted = _new_image(record, reference, told, author, changes)
        made = promote(
            record.id,
            wanted,
            lambda base: _configured(record, base),
            store=self._store,
            clock=time.time,
        )
        return view(made)


def _new_image(
    record: ContainerRecord | SnapshotRecord,
    reference: str,
    message: str,
    author: str,
    changes: tuple[str, ...],
) -> NewImage:
    from cowl.container.committed import command_line
    from cowl.container.options import Settings
    from cowl.oci.reference import Reference
    from cowl.transfer.commit import NewImage

    name = Reference.parse(reference).with_default_tag() if reference else None
    return NewImage(name, message, author, changes, command_line(Settings.from_json(record.settings)))


def _configured(record: ContainerRecord | SnapshotRecord, base: ContainerConfig) -> ContainerConfig:
    from cowl.container.committed import committed_config
    from cowl.container.options import Settings

    return committed_config(Settings.from_json(record.settings), base)
