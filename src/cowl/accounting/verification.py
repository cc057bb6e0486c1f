"""Verification: what the ledger says beside what an independent walk of the disk finds, to the byte."""

from __future__ import annotations

from cowl.accounting.ledger import (
    BLOB_OWNER,
    CACHE_MOUNT_OWNER,
    CONTAINER_OWNER,
    LOG_OWNER,
    METADATA_OWNER,
    OWNERS,
    STAGING_OWNER,
    VOLUME_OWNER,
)
from cowl.accounting.usage import usage
from cowl.accounting.walk import METADATA, verify
from cowl.errors import Unavailable
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.accounting.usage import Usage
    from cowl.accounting.walk import Walk
    from cowl.store.store import Store

_ATTEMPTS = 3  # a store in use changes between the two looks
SHARED = "shared inodes"
_KINDS_OF_PLACES = {
    "layers": "layer",
    "containers": "container",
    "caches": "cache mount",
    "volumes": "volume",
}
_KINDS = {"layer": "layer", "container": "container", "cache": "cache mount", "volume": "volume"}


class StoreMoves(Unavailable):
    """Directories moved during every walk."""

    def __init__(self, root: str) -> None:
        super().__init__(
            f"the store at {root} changed while it was walked, {_ATTEMPTS} times",
            hint="verify it when nothing else works in it",
        )
        self.root = root


class OwnerBytes(Value):
    """What one of the owners has, in bytes on disk: by the ledger, and as the walk found it."""

    owner: str
    recorded_bytes: int
    found_bytes: int


class Difference(Value):
    """An object whose bytes are not those that the ledger says.

    kind  "layer", "container", "log", "volume", "cache mount", "blob", "staging", "metadata", or
          "shared inodes": then `name` is the keys of the layers, with commas
    what  in words, why
    """

    kind: str
    name: str
    recorded_bytes: int
    found_bytes: int
    what: str


class Verification(Value):
    """owners  all ten, in their order; `differences` is empty when the two agree."""

    owners: tuple[OwnerBytes, ...]
    differences: tuple[Difference, ...]

    @property
    def recorded_bytes(self) -> int:
        """The total by the ledger."""
        return sum(owner.recorded_bytes for owner in self.owners)

    @property
    def found_bytes(self) -> int:
        """The total of the walk."""
        return sum(owner.found_bytes for owner in self.owners)


def verification(store: Store) -> Verification:
    """Compares the ledger with a walk of everything. What only changed in between is looked at again.

    Raises StoreMoves.
    """
    found = None
    for _ in range(_ATTEMPTS):
        told = usage(store, details=False)
        try:
            found = compare(told, verify(store.root))
        except OSError:
            continue
        if not found.differences:
            break
    if found is None:
        raise StoreMoves(store.root)
    return found


def compare(told: Usage, walk: Walk) -> Verification:
    """The two, put side by side. Pure."""
    comparison = _Comparison(told, walk)
    return Verification(comparison.owners(), tuple(comparison.differences()))


class _Comparison:
    """recorded: (bytes, owner) of every place that has a row."""

    def __init__(self, told: Usage, walk: Walk) -> None:
        self._told = told
        self._walk = walk
        self._recorded: dict[str, tuple[int, str]] = {}
        self._logs = {box.id: box.log_bytes for box in told.containers if box.log_bytes}
        for layer in told.layers:
            self._recorded[f"layers/{layer.key}"] = layer.allocated_bytes, layer.owner
        for box in told.containers:
            self._recorded[f"containers/{box.id}"] = box.allocated_bytes, CONTAINER_OWNER
        for mount in told.cache_mounts:
            self._recorded[f"caches/{mount.id}"] = mount.allocated_bytes, CACHE_MOUNT_OWNER
        for volume in told.volumes:
            self._recorded[f"volumes/{volume.name}"] = volume.allocated_bytes, VOLUME_OWNER

    def owners(self) -> tuple[OwnerBytes, ...]:
        """An inode that several layers share is the oldest's."""
        found = dict.fromkeys(OWNERS, 0)
        for place, size in self._walk.shown:
            found[self._owner(place)] += size
        for _, size in self._walk.logs:
            found[CONTAINER_OWNER] -= size
            found[LOG_OWNER] += size
        ages = {f"layers/{layer.key}": (layer.created_at, layer.key) for layer in self._told.layers}
        for shared in self._walk.shared:
            oldest = min(shared.places, key=lambda place: ages.get(place, (float("inf"), place)))
            for place in shared.places:
                found[self._owner(place)] -= shared.allocated_bytes * (place != oldest)
        return tuple(OwnerBytes(owner, self._told.owners[owner], found[owner]) for owner in OWNERS)

    def _owner(self, place: str) -> str:
        top = place.partition("/")[0]
        others = {METADATA: METADATA_OWNER, "blobs": BLOB_OWNER}
        return self._recorded[place][1] if place in self._recorded else others.get(top, STAGING_OWNER)

    def differences(self) -> Iterator[Difference]:
        """By object, those with a row first."""
        shown, logs = dict(self._walk.shown), dict(self._walk.logs)
        for lost in self._told.missing:
            yield Difference(_KINDS[lost.kind], lost.name, 0, 0, "has a row but no directory")
        for place, (recorded, _) in self._recorded.items():
            top, _, name = place.partition("/")
            mine, its = self._logs.get(name, 0), logs.get(name, 0)
            if top != "containers":
                mine = its = 0
            if recorded - mine != shown.get(place, 0) - its:
                kind = _KINDS_OF_PLACES[top]
                yield Difference(kind, name, recorded - mine, shown.get(place, 0) - its, "is not what it was")
            if mine != its:
                yield Difference(LOG_OWNER, name, mine, its, "is not what it was")
        yield from self._strangers(shown)
        yield from self._sums(shown)
        yield from self._shared()

    def _strangers(self, shown: dict[str, int]) -> Iterator[Difference]:
        for place, size in shown.items():
            top, _, name = place.partition("/")
            if top in _KINDS_OF_PLACES and place not in self._recorded:
                yield Difference(_KINDS_OF_PLACES[top], name, 0, size, "has a directory but no row")

    def _sums(self, shown: dict[str, int]) -> Iterator[Difference]:
        """What is recorded by no object of its own."""
        for owner in (BLOB_OWNER, STAGING_OWNER, METADATA_OWNER):
            found = sum(
                size
                for place, size in shown.items()
                if place not in self._recorded and self._owner(place) == owner
            )
            if found != self._told.owners[owner] - self._pinned_bytes * (owner == STAGING_OWNER):
                yield Difference(owner, "", self._told.owners[owner], found, "is not what was measured")

    @property
    def _pinned_bytes(self) -> int:
        return sum(layer.attributed_bytes for layer in self._told.layers if layer.owner == STAGING_OWNER)

    def _shared(self) -> Iterator[Difference]:
        recorded: dict[tuple[str, ...], int] = {}
        for row in self._told.shared_inodes:
            places = tuple(sorted(f"layers/{key}" for key in row.layer_keys))
            if len(places) > 1:
                recorded[places] = recorded.get(places, 0) + row.allocated_bytes
        found = {row.places: row.allocated_bytes for row in self._walk.shared}
        for places in sorted(recorded.keys() | found.keys()):
            mine, its = recorded.get(places, 0), found.get(places, 0)
            if mine != its:
                names = ",".join(place.removeprefix("layers/") for place in places)
                yield Difference(SHARED, names, mine, its, "are not those recorded")
