"""Reclaiming: things in an order, until they free enough. Pure."""

from __future__ import annotations

from cowl.accounting.ledger import CONTAINER, HOLDERS, IMAGE, NOTHING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.accounting.ledger import Ledger, Object
    from cowl.accounting.selection import Selection
    from cowl.store.rows import ImageRow


def reclaim(
    selection: Selection,
    ledger: Ledger,
    is_free: Callable[[ImageRow], bool] | None,
    things: Sequence[Object],
    goal: int | None,
) -> int:
    """Selects things in their order until they free `goal` bytes on disk; how many are missing in the end.

    None is for no bound. With one, what turns out to free nothing is left out again.
    """
    freed = _Freed(ledger)
    images = {image.id: image for image in selection.rows.images}
    taken = []
    for thing in things:
        if goal is not None and freed.bytes >= goal:
            break
        if thing[0] == IMAGE:
            if is_free is not None and not is_free(images[thing[1]]):
                continue
            selection.add_whole_image(thing[1])
        else:
            selection.add(*thing)
        taken.append(thing)
        if goal is not None:
            freed.add(thing)
    if goal is None:
        return 0
    _leave_out(selection, ledger, taken)
    return max(0, goal - freed.bytes)


def _leave_out(selection: Selection, ledger: Ledger, taken: list[Object]) -> None:
    """Drops from the selection what frees nothing. Containers keep what they free: their image."""
    layers = ledger.dropped(frozenset(selection.going))
    for thing in taken:
        own = ledger.own.get(thing, NOTHING).allocated_bytes
        if not own and thing[0] != CONTAINER and layers.isdisjoint(ledger.needs(thing)):
            selection.drop(thing)


class _Freed:
    """What a growing set of objects frees: in the end `Ledger.frees` of the set."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._objects: set[Object] = set()
        self._left: dict[str, int] = {}
        self._gone: set[str] = set()
        self.bytes = 0

    def add(self, thing: Object) -> None:
        """One more object."""
        self.bytes += self._ledger.own.get(thing, NOTHING).allocated_bytes
        for key in self._ledger.needs(thing):
            if key not in self._left:
                self._left[key] = sum(len(self._ledger.users(key, kind)) for kind in HOLDERS)
            self._left[key] -= 1
            if not self._left[key] and key not in self._ledger.rows.pinned:
                self._drop(key)

    def _drop(self, key: str) -> None:
        self._gone.add(key)
        self.bytes += self._ledger.layers[key].allocated_bytes
        for shared in self._ledger.shared_inodes(key):
            if not self._gone.issuperset(shared.layer_keys):
                self.bytes -= shared.allocated_bytes
