"""The engine's calls about snapshots."""

from __future__ import annotations

from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.snapshots import Snapshot


class SnapshotCalls(Wiring):
    """See Engine."""

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, newest first."""
        from cowl.container.snapshots import Snapshot

        return [Snapshot(self._containers, record) for record in self.store.snapshots.list()]

    def snapshot(self, name: str) -> Snapshot:
        """By name, ID or unambiguous ID prefix. Raises NotFound, Invalid."""
        from cowl.container.snapshots import Snapshot

        return Snapshot(self._containers, self.store.snapshots.find(name))
