"""Planning: a selection and the ledger it was made from, as the plan of a removal. Pure."""

from __future__ import annotations

from cowl.accounting.ledger import (
    CACHE,
    CONTAINER,
    FAILED,
    IMAGE,
    NOTHING,
    SNAPSHOT,
    STEP,
    VOLUME,
)
from cowl.accounting.removal import Gone, GoneLayer, RemovalPlan, Stay
from cowl.oci.reference import Reference
from cowl.store.apply import Target, Targets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cowl.accounting.ledger import Ledger, Object
    from cowl.accounting.selection import Selection
    from cowl.store.apply import Receipt

# Containers first: they use images and volumes.
_ORDER = (CONTAINER, VOLUME, SNAPSHOT, IMAGE, FAILED, STEP, CACHE)
_SHOWN_STEPS = 3


def make_plan(
    selection: Selection, ledger: Ledger, carry_out: Callable[[RemovalPlan], Receipt]
) -> RemovalPlan:
    """What removing the selection does. The ledger has the bytes of all that the selection takes."""
    return _Planner(selection, ledger).plan(carry_out)


class _Planner:
    """One plan in the making."""

    def __init__(self, selection: Selection, ledger: Ledger) -> None:
        self._selection = selection
        self._ledger = ledger
        self._going = frozenset(selection.going)
        self._names = _Names(selection)
        self._layers = ledger.dropped(self._going)

    def plan(self, carry_out: Callable[[RemovalPlan], Receipt]) -> RemovalPlan:
        objects = tuple(map(self._gone, self._ordered()))
        layers = self._gone_layers()
        untags = self._selection.untags
        return RemovalPlan(
            objects=objects,
            untags=tuple(_familiar(name) for names in untags.values() for name in names),
            layers=layers,
            frees=sum(each.own_bytes for each in objects) + sum(each.frees_bytes for each in layers),
            stays=(*self._selection.stays, *self._staying_layers()),
            refusals=tuple(self._selection.refusals),
            exact=not any((CONTAINER, identity) in self._going for identity in self._selection.alive),
            targets=self._targets(sum(each.frees_bytes for each in layers)),
            carry_out=carry_out,
        )

    def _ordered(self) -> list[Object]:
        return sorted(self._selection.going, key=lambda thing: _ORDER.index(thing[0]))

    def _gone(self, thing: Object) -> Gone:
        own = self._ledger.own.get(thing, NOTHING).allocated_bytes
        return Gone(thing[0], thing[1], self._names.of(thing), own)

    def _gone_layers(self) -> tuple[GoneLayer, ...]:
        """The layers that go, with the bytes of an inode at the first of those that share it."""
        users: dict[str, list[str]] = {}
        for thing in self._ordered():
            name = f"step {thing[1][:12]}" if thing[0] == STEP else self._names.short(thing)
            for key in self._ledger.needs(thing) & self._layers:
                users.setdefault(key, []).append(name)
        return tuple(
            GoneLayer(key, str(self._ledger.layers[key].diff_id), tuple(users[key]), self._frees(key))
            for key in sorted(self._layers)
        )

    def _frees(self, key: str) -> int:
        total = self._ledger.layers[key].allocated_bytes
        for shared in self._ledger.shared_inodes(key):
            if self._ledger.oldest(shared) != key or not self._layers.issuperset(shared.layer_keys):
                total -= shared.allocated_bytes
        return total

    def _staying_layers(self) -> Iterable[Stay]:
        """The layers of what goes that others need, together where the same ones need them."""
        groups: dict[tuple[str, ...], set[str]] = {}
        touched = set().union(*(self._ledger.needs(thing) for thing in self._going))
        for key in sorted(touched - self._layers):
            groups.setdefault(self._needed_by(key), set()).add(key)
        for needed_by, keys in groups.items():
            yield Stay(
                "layers",
                tuple(key[:12] for key in sorted(keys)),
                "needed",
                needed_by,
                self._ledger.bytes_of(keys).allocated_bytes,
            )

    def _needed_by(self, key: str) -> tuple[str, ...]:
        found = [
            self._names.described((kind, identity))
            for kind in (IMAGE, SNAPSHOT, CONTAINER)
            for identity in self._ledger.users(key, kind)
            if (kind, identity) not in self._going
        ]
        for kind, what in ((STEP, "of the build cache"), (FAILED, "that failed")):
            steps = [each for each in self._ledger.users(key, kind) if (kind, each) not in self._going]
            if steps:
                found.append(f"{len(steps)} step{'s' * (len(steps) > 1)} {what}")
        if key in self._ledger.rows.pinned:
            found.append("a running pull, build or commit")
        return tuple(found)

    def _targets(self, layer_bytes: int) -> Targets:
        losing = [
            (IMAGE, image)
            for image, names in self._selection.untags.items()
            if names and not self._going & {(IMAGE, image), (FAILED, image)}
        ]
        targets = tuple(map(self._target, (*losing, *self._ordered())))
        shared = any(self._ledger.shared_inodes(key) for key in self._layers)
        return Targets(targets, self._layers, layer_bytes, shared)

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


class _Names:
    """Rows by ID, and the names that users know them by."""

    def __init__(self, selection: Selection) -> None:
        rows = selection.rows
        self._containers = selection.containers
        self.images = {row.id: row for row in rows.images}
        self.snapshots = {row.id: row for row in rows.snapshots}
        self.steps = {row.key: row for row in rows.steps}
        self.caches = {row.id: row for row in rows.cache_mounts}
        self.volumes = {row.name: row for row in rows.volumes}

    def image_names(self, identity: str) -> tuple[str, ...]:
        """All names of an image, canonical and sorted."""
        row = self.images[identity]
        return tuple(sorted((*row.references, *row.repo_digests)))

    def of(self, thing: Object) -> tuple[str, ...]:
        """The names of an object."""
        kind, identity = thing
        if kind == IMAGE:
            return tuple(map(_familiar, self.image_names(identity)))
        if kind == CONTAINER:
            return (self._containers[identity].name,)
        if kind == SNAPSHOT:
            name = self.snapshots[identity].name
            return (name,) if name else ()
        if kind == STEP:
            return (self.steps[identity].description,)
        if kind == CACHE:
            return (self.caches[identity].name,)
        return (identity,) if kind == VOLUME else ()

    def short(self, thing: Object) -> str:
        """One name, or the beginning of the ID."""
        if thing[0] == STEP:
            return thing[1][:12]
        return next(iter(self.of(thing)), thing[1].removeprefix("sha256:")[:12])

    def described(self, thing: Object) -> str:
        """The kind and the name: "container web"."""
        return f"{thing[0]} {self.short(thing)}"


def _familiar(name: str) -> str:
    return Reference.parse(name).familiar
