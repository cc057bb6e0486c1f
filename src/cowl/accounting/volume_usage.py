"""What a volume takes, and who uses it."""

from __future__ import annotations

from cowl.accounting.ledger import NOTHING, VOLUME
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.ledger import Bytes, Ledger
    from cowl.store.rows import VolumeRow


class VolumeUsage(Value):
    """A volume.

    size_bytes       apparent
    allocated_bytes  on disk, of its whole directory: freed when it is removed
    containers       the IDs of those that use it, running or not: they forbid that
    """

    name: str
    anonymous: bool
    created_at: float
    last_used: float
    size_bytes: int
    allocated_bytes: int
    containers: tuple[str, ...]


def volume_usages(ledger: Ledger) -> tuple[VolumeUsage, ...]:
    """All volumes, in the order of their names."""
    return tuple(_volume(row, ledger.own.get((VOLUME, row.name), NOTHING)) for row in ledger.rows.volumes)


def _volume(row: VolumeRow, size: Bytes) -> VolumeUsage:
    return VolumeUsage(
        name=row.name,
        anonymous=row.anonymous,
        created_at=row.created_at,
        last_used=row.last_used,
        size_bytes=size.size_bytes,
        allocated_bytes=size.allocated_bytes,
        containers=row.containers,
    )
