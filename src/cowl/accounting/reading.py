"""Reading: a store's rows and the fresh measures of what is alive, as one ledger."""

from __future__ import annotations

from cowl.accounting.ledger import CACHE, CONTAINER, NOTHING, VOLUME, Bytes, Ledger
from cowl.store.disk import ContainerMeasure
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cowl.accounting.ledger import Object
    from cowl.store.built_images import BuiltImage
    from cowl.store.disk import Rest
    from cowl.store.presence import Presence
    from cowl.store.rows import Rows
    from cowl.store.store import Store

_NO_MEASURE = ContainerMeasure(0, 0, 0)


class Details(Value):
    """What only a further look tells.

    copied_up  apparent bytes, by container
    configs    of images, by ID
    builds     how those that were built here were, by ID
    """

    copied_up: Mapping[str, int]
    configs: Mapping[str, bytes]
    builds: Mapping[str, BuiltImage]


class Reading(Value):
    """A store at one moment: its ledger, and what lies on disk beside layers.

    containers  the measure of each, by ID
    rest        bytes of blobs, staging (what has no row is counted there) and metadata
    presence    which directories are missing or have no row
    details     None when they were not asked for
    """

    ledger: Ledger
    containers: Mapping[str, ContainerMeasure]
    rest: Rest
    presence: Presence
    details: Details | None = None


def read_ledger(store: Store, rows: Rows | None = None) -> Ledger:
    """The ledger of a store, or of rows of it that were read before."""
    rows = store.rows() if rows is None else rows
    return _ledger(store, rows, store.measures.presence(rows))[0]


def read(store: Store, rows: Rows | None = None, *, details: bool = False) -> Reading:
    """All of a store: rows, a fresh look at what has no recorded measure, no walk of any image."""
    rows = store.rows() if rows is None else rows
    presence = store.measures.presence(rows)
    ledger, containers = _ledger(store, rows, presence)
    told = _details(store, rows, presence) if details else None
    rest = store.measures.rest()  # last: what is measured may be recorded, and the database grows
    if presence.strangers:
        rest = rest.replace(staging_bytes=rest.staging_bytes + store.measures.strangers(presence))
    return Reading(ledger, containers, rest, presence, told)


def _details(store: Store, rows: Rows, presence: Presence) -> Details:
    there = [row for row in rows.containers if (CONTAINER, row.id) not in presence.missing]
    return Details(store.measures.copied_up(there), store.images.configs(), store.images.builds())


def _ledger(store: Store, rows: Rows, presence: Presence) -> tuple[Ledger, Mapping[str, ContainerMeasure]]:
    gone = frozenset(presence.missing)
    containers = dict.fromkeys((name for kind, name in gone if kind == CONTAINER), _NO_MEASURE)
    containers |= store.measures.containers(
        [row for row in rows.containers if (CONTAINER, row.id) not in gone]
    )
    own: dict[Object, Bytes] = {
        (CONTAINER, identity): Bytes(found.size_bytes, found.total_allocated_bytes)
        for identity, found in containers.items()
    }
    used = set()
    for mount in store.cache_mounts.measured(rows.cache_mounts) if rows.cache_mounts else ():
        own[CACHE, mount.id] = Bytes(mount.size_bytes, mount.allocated_bytes)
        if mount.in_use:
            used.add((CACHE, mount.id))
    if rows.volumes:
        running = frozenset(row.id for row in rows.containers if row.state not in ("created", "exited"))
        for name, size in store.measures.volumes(rows.volumes, running).items():
            own[VOLUME, name] = Bytes(*size)
    if gone:
        own.update(dict.fromkeys(gone, NOTHING))
        rows = _without(rows, frozenset(name for kind, name in gone if kind == "layer"))
    return Ledger(rows, own, frozenset(used)), containers


def _without(rows: Rows, keys: frozenset[str]) -> Rows:
    """The rows with layers whose directories are gone counted as nothing."""
    return rows.replace(
        layers=tuple(
            layer.replace(size_bytes=0, allocated_bytes=0, files=0, whiteouts=0)
            if layer.key in keys
            else layer
            for layer in rows.layers
        ),
        shared_inodes=tuple(
            shared.replace(layer_keys=tuple(key for key in shared.layer_keys if key not in keys))
            for shared in rows.shared_inodes
        ),
    )
