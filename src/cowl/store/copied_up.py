"""Copied up: how much of what containers wrote are files of their layers, by container."""

from __future__ import annotations

from cowl.layer.copied import copied_up_bytes
from cowl.layer.view import MergedView
from cowl.store.disk import is_settled
from cowl.store.faults import StoreFull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.store.database import Database
    from cowl.store.rows import ContainerRow

_ATTEMPTS = 5  # a tree may lose a file between listing and looking while its container works


def measured_copies(database: Database, rows: Sequence[ContainerRow]) -> dict[str, int]:
    """Apparent bytes by container: as recorded, or looked for afresh where they may have changed.

    Holds as long as the measure of the whole upper, and is recorded beside it.
    """
    known = {
        row[0]: row[1:] for row in database.rows("SELECT container, measured_at, size_bytes FROM copied_up")
    }
    found, fresh = {}, []
    for row in rows:
        measured_at, size = known.get(row.id, (None, 0))
        settled = is_settled(row)
        if settled and measured_at == row.measured_at:
            found[row.id] = size
            continue
        below = MergedView([database.root.diff(key) for key in dict.fromkeys(reversed(row.layer_keys))])
        found[row.id] = _measure(f"{database.root.container(row.id)}/upper", below)
        if settled:
            fresh.append((row.id, found[row.id], row.measured_at))
    if fresh:
        _record(database, fresh)
    return found


def _measure(upper: str, below: MergedView) -> int:
    for _ in range(_ATTEMPTS):
        try:
            return copied_up_bytes(upper, below)
        except FileNotFoundError:
            continue
    return 0


def _record(database: Database, found: Sequence[tuple[str, int, float]]) -> None:
    """Unless the container went meanwhile, or the disk is full: then another time."""
    try:
        with database.write() as transaction:
            for values in found:
                transaction.run(
                    "INSERT OR REPLACE INTO copied_up SELECT ?1, ?2, ?3 FROM containers WHERE id = ?1", values
                )
    except StoreFull:
        pass
