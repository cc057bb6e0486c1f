"""What a snapshot takes, and who stands on it."""

from __future__ import annotations

from cowl.accounting.ledger import SNAPSHOT
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.accounting.ledger import Ledger
    from cowl.store.rows import SnapshotRow


class SnapshotUsage(Value):
    """A snapshot of a container.

    size_bytes       apparent, of what the container had changed against its image: the layers above that's
    allocated_bytes  on disk, of these layers
    frees_bytes      on disk, what removing this snapshot alone would free
    containers       the IDs of those that were forked from it or restored to it
    """

    id: str
    name: str
    container_id: str
    image_id: str
    created_at: float
    last_used: float
    size_bytes: int
    allocated_bytes: int
    frees_bytes: int
    containers: tuple[str, ...]


def snapshot_usages(ledger: Ledger) -> tuple[SnapshotUsage, ...]:
    """All snapshots, newest first."""
    users: dict[str, list[str]] = {}
    for row in ledger.rows.containers:
        users.setdefault(row.snapshot_id, []).append(row.id)
    return tuple(_snapshot(ledger, row, users.get(row.id, ())) for row in ledger.rows.snapshots)


def _snapshot(ledger: Ledger, row: SnapshotRow, containers: Sequence[str]) -> SnapshotUsage:
    size = ledger.bytes_of(row.layer_keys[row.image_layers :])
    return SnapshotUsage(
        id=row.id,
        name=row.name,
        container_id=row.container_id,
        image_id=row.image_id,
        created_at=row.created_at,
        last_used=row.last_used,
        size_bytes=size.size_bytes,
        allocated_bytes=size.allocated_bytes,
        frees_bytes=ledger.frees(frozenset({(SNAPSHOT, row.id)})).allocated_bytes,
        containers=tuple(containers),
    )
