"""Targets: what a plan pins down of the store, to be compared with what is found when it is applied. Pure."""

from __future__ import annotations

from cowl.accounting.ledger import CACHE, CONTAINER, FAILED, IMAGE, SNAPSHOT, STEP
from cowl.accounting.removal_names import RemovalNames
from cowl.store.apply import Target, Targets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.accounting.ledger import Ledger, Object
    from cowl.accounting.selection import Selection


def make_targets(selection: Selection, ledger: Ledger) -> Targets:
    """The objects of a selection as its rows have them, and the layers that go with them."""
    return _Aim(selection, ledger).targets()


class _Aim:
    """The targets of one selection."""

    def __init__(self, selection: Selection, ledger: Ledger) -> None:
        self._selection = selection
        self._ledger = ledger
        self._going = frozenset(selection.going)
        self._names = RemovalNames(selection)

    def targets(self) -> Targets:
        """All of them; first the images that only lose names."""
        losing = [
            (IMAGE, image)
            for image, names in self._selection.untags.items()
            if names and not self._going & {(IMAGE, image), (FAILED, image)}
        ]
        targets = tuple(map(self._target, (*losing, *self._selection.ordered())))
        layers = self._ledger.dropped(self._going)
        shared = any(self._ledger.shared_inodes(key) for key in layers)
        return Targets(targets, layers, self._ledger.gives(layers).allocated_bytes, shared)

    def _target(self, thing: Object) -> Target:
        kind, identity = thing
        untag = tuple(self._selection.untags.get(identity, ())) if kind in (IMAGE, FAILED) else ()
        return Target(
            kind, identity, self._names.short(thing), self._seen(thing), untag, thing in self._going
        )

    def _seen(self, thing: Object) -> tuple[Any, ...] | None:
        """As `cowl.store.sight.see` finds it in the store."""
        kind, identity = thing
        rows, selection = self._names, self._selection
        if kind == CONTAINER:
            row = selection.containers[identity]
            if identity in selection.alive:
                return None
            return (row.name, row.state, row.started_at, row.finished_at, False)
        if kind == IMAGE:
            staying = sorted(selection.users(identity), key=lambda row: row.id)
            lives = tuple((row.id, row.id in selection.alive) for row in staying)
            return (rows.image_names(identity), lives)
        if kind == FAILED:
            return ((),)
        if kind == SNAPSHOT:
            users = tuple(
                row.id
                for row in selection.rows.containers
                if row.snapshot_id == identity and (CONTAINER, row.id) not in self._going
            )
            return (rows.snapshots[identity].name, tuple(sorted(users)))
        if kind == STEP:
            return (rows.steps[identity].layer_key,)
        if kind == CACHE:
            return (rows.caches[identity].name, rows.caches[identity].last_used)
        volume = rows.volumes[identity]
        if not selection.alive.isdisjoint(volume.containers):
            return None
        left = tuple(each for each in volume.containers if (CONTAINER, each) not in self._going)
        return (volume.created_at, volume.last_used, left)
