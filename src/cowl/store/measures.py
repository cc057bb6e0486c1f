"""Measures: what lies on disk beside layers, from rows where those hold, else by a fresh look."""

from __future__ import annotations

from cowl.store.disk import SETTLED_SECONDS, measure_container, measure_rest, recorded
from cowl.store.faults import StoreFull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.store.containers import Containers
    from cowl.store.database import Database
    from cowl.store.disk import ContainerMeasure, Rest
    from cowl.store.presence import Presence
    from cowl.store.rows import ContainerRow, Rows, VolumeRow


def _rests_since(row: ContainerRow) -> float:
    """When its files last changed: at its end, or when somebody wrote to them afterwards."""
    return row.finished_at if row.size_bytes is not None else max(row.finished_at, row.measured_at)


class Measures:
    """The measures of a store. What has come to rest is recorded, so that it is walked no more."""

    def __init__(self, database: Database, containers: Containers, clock: Callable[[], float]) -> None:
        self._database = database
        self._containers = containers
        self._clock = clock

    def containers(self, rows: Sequence[ContainerRow]) -> dict[str, ContainerMeasure]:
        """The bytes of containers, by ID: as recorded, or measured afresh where they may have changed."""
        root = self._database.root
        found, settled = {}, {}
        before = self._clock() - SETTLED_SECONDS
        for row in rows:
            known = recorded(root, row)
            found[row.id] = known or measure_container(root, row)
            if known is None and row.state == "exited" and _rests_since(row) < before:
                settled[row.id] = found[row.id]
        if settled:
            try:
                self._containers.measured(settled)
            except StoreFull:
                pass  # another time
        return found

    def volumes(self, rows: Sequence[VolumeRow], running: frozenset[str]) -> dict[str, tuple[int, int]]:
        """(apparent bytes, bytes on disk of the whole directory) of volumes, by name.

        As recorded, or measured afresh where they may have changed: `running` are the IDs of the
        containers that run.
        """
        from cowl.store.disk import measured_volumes

        return measured_volumes(self._database, rows, running, self._clock)

    def copied_up(self, rows: Sequence[ContainerRow]) -> dict[str, int]:
        """How much of what containers wrote are files of their layers, in apparent bytes, by ID.

        As recorded, or looked for afresh where it may have changed. See `cowl.layer.copied` for the rule.
        """
        from cowl.store.copied_up import measured_copies

        return measured_copies(self._database, rows)

    def presence(self, rows: Rows) -> Presence:
        """Which directories lack a row, and which rows a directory."""
        from cowl.store.presence import presence

        return presence(self._database, rows)

    def strangers(self, presence: Presence) -> int:
        """Bytes on disk of directories without a row: the next recovery takes them away."""
        from cowl.store.disk import tree_bytes
        from cowl.store.presence import parent

        root = self._database.root
        return sum(tree_bytes(f"{parent(root, kind)}/{name}") for kind, name in presence.strangers)

    def rest(self) -> Rest:
        """A fresh look at all but layers, containers, cache mounts and volumes."""
        return measure_rest(self._database.root)
