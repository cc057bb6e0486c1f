"""Planning: a selection and the ledger it was made from, as the plan of a removal. Pure."""

from __future__ import annotations

from cowl.accounting.ledger import CONTAINER, FAILED, IMAGE, NOTHING, SNAPSHOT, STEP
from cowl.accounting.removal import Gone, GoneLayer, RemovalPlan, Stay
from cowl.accounting.removal_names import RemovalNames
from cowl.oci.reference import familiar_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cowl.accounting.ledger import Ledger, Object
    from cowl.accounting.selection import Selection
    from cowl.store.apply import Receipt


def make_plan(selection: Selection, ledger: Ledger, carry_out: Callable[[], Receipt]) -> RemovalPlan:
    """What removing the selection does. The ledger has the bytes of all that the selection takes."""
    return _Planner(selection, ledger).plan(carry_out)


class _Planner:
    """One plan in the making."""

    def __init__(self, selection: Selection, ledger: Ledger) -> None:
        self._selection = selection
        self._ledger = ledger
        self._going = frozenset(selection.going)
        self._ordered = selection.ordered()
        self._names = RemovalNames(selection)
        self._layers = ledger.dropped(self._going)

    def plan(self, carry_out: Callable[[], Receipt]) -> RemovalPlan:
        objects = tuple(map(self._gone, self._ordered))
        layers = self._gone_layers()
        untags = self._selection.untags
        return RemovalPlan(
            objects=objects,
            untags=tuple(familiar_name(name) for names in untags.values() for name in names),
            layers=layers,
            frees=sum(each.own_bytes for each in objects) + sum(each.frees_bytes for each in layers),
            stays=(*self._selection.stays, *self._staying_layers()),
            refusals=tuple(self._selection.refusals),
            exact=not any((CONTAINER, identity) in self._going for identity in self._selection.alive),
            carry_out=carry_out,
        )

    def _gone(self, thing: Object) -> Gone:
        own = self._ledger.own.get(thing, NOTHING).allocated_bytes
        return Gone(thing[0], thing[1], self._names.of(thing), own)

    def _gone_layers(self) -> tuple[GoneLayer, ...]:
        """The layers that go, with the bytes of an inode at the first of those that share it."""
        users: dict[str, list[str]] = {key: [] for key in sorted(self._layers)}
        for thing in self._ordered:
            name = self._names.user(thing)
            for key in self._ledger.needs(thing):
                if key in users:
                    users[key].append(name)
        layers = self._ledger.layers
        return tuple(
            [GoneLayer(key, layers[key].diff_id, tuple(who), self._frees(key)) for key, who in users.items()]
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
