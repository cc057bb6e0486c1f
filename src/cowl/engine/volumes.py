"""The engine's calls about volumes."""

from __future__ import annotations

from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cowl.container.volumes import Volume


class VolumeCalls(Wiring):
    """See Engine."""

    def create_volume(self, name: str = "", *, labels: Mapping[str, str] | Sequence[str] = ()) -> Volume:
        """A new, empty volume, or the one of that name if there is one, which keeps its own labels.

        Without a name it gets one of 64 hex digits and is anonymous. `labels` is a mapping, or "KEY=value"
        words. Raises Invalid for a name that can't be one.
        """
        from cowl.container.volumes import create

        return create(self.store, name, labels)

    def volumes(self) -> list[Volume]:
        """All volumes in the order of their names."""
        from cowl.container.volumes import Volume

        return [Volume(self.store, record) for record in self.store.volumes.list()]

    def volume(self, name: str) -> Volume:
        """The volume of a name. Raises NotFound."""
        from cowl.container.volumes import Volume

        return Volume(self.store, self.store.volumes.get(name))
