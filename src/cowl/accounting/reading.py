"""Reading: a store's rows and the fresh measures of what is alive, as one ledger."""

from __future__ import annotations

from cowl.accounting.ledger import CACHE, CONTAINER, VOLUME, Bytes, Ledger
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cowl.accounting.ledger import Object
    from cowl.store.disk import ContainerMeasure, Rest
    from cowl.store.rows import Rows
    from cowl.store.store import Store


class Reading(Value):
    """A store at one moment: its ledger, and what lies on disk beside layers.

    containers  the measure of each, by ID
    rest        bytes of blobs, staging and metadata
    """

    ledger: Ledger
    containers: Mapping[str, ContainerMeasure]
    rest: Rest


def read_ledger(store: Store, rows: Rows | None = None) -> Ledger:
    """The ledger of a store, or of rows of it that were read before."""
    return _ledger(store, store.rows() if rows is None else rows)[0]


def read(store: Store, rows: Rows | None = None) -> Reading:
    """All of a store: rows, a fresh look at what has no recorded measure, no walk of any image."""
    ledger, containers = _ledger(store, store.rows() if rows is None else rows)
    return Reading(ledger, containers, store.measure_rest())


def _ledger(store: Store, rows: Rows) -> tuple[Ledger, Mapping[str, ContainerMeasure]]:
    containers = store.measure_containers(rows.containers)
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
        running = frozenset(row.id for row in rows.containers if row.state == "running")
        for name, size in store.measure_volumes(rows.volumes, running).items():
            own[VOLUME, name] = Bytes(*size)
    return Ledger(rows, own, frozenset(used)), containers
