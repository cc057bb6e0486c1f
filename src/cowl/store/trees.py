"""The trees of an open store: how they are stacked, seen, measured and compared."""

from __future__ import annotations

from cowl.linux.root_mount import RootMount
from cowl.store.fresh_upper import dress_root
from cowl.store.rooms import StoreRooms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.layer.changes import Change as Change
    from cowl.layer.measure import Measure
    from cowl.layer.view import MergedView as MergedView
    from cowl.store.containers import ContainerRecord
    from cowl.store.layers import Stage


class StoreTrees(StoreRooms):
    """See Store."""

    def root_mount(
        self, layer_keys: Sequence[str], writable: ContainerRecord | Stage | None = None
    ) -> RootMount:
        """How to mount these layers (bottom first), read-only or with a container's or stage's upper.

        The lowest tree of all is the store's own, with what a container has mounted over.
        """
        lowers = (*self._trees(layer_keys), self.directory.mountpoints)
        if writable is None:
            return RootMount(lowers)
        return RootMount(lowers, writable.upper, writable.work)

    def dress(self, stage: Stage, layer_keys: Sequence[str]) -> None:
        """Gives a fresh stage's root the mode and owner of the layers below, as a container's has."""
        dress_root(stage.diff, self.directory.diff(layer_keys[-1]) if layer_keys else "")

    def dress_like(self, upper: str, tree: str) -> None:
        """Gives the root of another writable tree the mode and owner of the tree below it."""
        dress_root(upper, tree)

    def view(self, layer_keys: Sequence[str], upper: str = "") -> MergedView:
        """The merged tree of these layers (bottom first), perhaps with an upper, without mounting it."""
        from cowl.layer.view import MergedView as MergedView

        trees = self._trees(layer_keys)
        return MergedView([upper, *trees] if upper else trees)

    def trees(self, layer_keys: Sequence[str]) -> tuple[str, ...]:
        """The trees of these layers, topmost first, as overlayfs takes them."""
        return tuple(self._trees(layer_keys))

    def _trees(self, layer_keys: Sequence[str]) -> list[str]:
        """The trees of a stack, topmost first. Of a layer that comes twice only the upper one can show,
        and overlayfs refuses the same directory a second time."""
        return [self.directory.diff(key) for key in dict.fromkeys(reversed(layer_keys))]

    def measure_upper(self, container: ContainerRecord) -> Measure:
        """Measures a container's upper afresh."""
        return self.measure_tree(container.upper)

    def measure_tree(self, path: str) -> Measure:
        """Measures a writable tree. Raises OSError."""
        from cowl.layer.measure import measure

        return measure(path)

    def copy_upper(
        self, container_id: str, stage: Stage, *, pause: bool = True, user: tuple[int, int] = (0, 0)
    ) -> ContainerRecord:
        """Copies a container's upper into a stage; see `cowl.store.upper_copy`."""
        from cowl.store.upper_copy import copy_upper

        return copy_upper(self, container_id, stage, pause=pause, user=user)

    def changes(self, container: ContainerRecord) -> tuple[Change, ...]:
        """What a container changed against its image, by path: also what was frozen since."""
        from cowl.layer.changes import merged_changes

        own = container.layer_keys[: container.image_layers]
        frozen = self._trees(container.layer_keys[container.image_layers :])
        return merged_changes([container.upper, *frozen], self.view(own))
