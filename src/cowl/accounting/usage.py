"""Usage: where the disk went, to the byte."""

from __future__ import annotations

from cowl.accounting.ledger import (
    BLOB_OWNER,
    CACHE,
    CACHE_MOUNT_OWNER,
    CONTAINER_OWNER,
    LOG_OWNER,
    METADATA_OWNER,
    OWNER_OF_LAYERS,
    OWNERS,
    STAGING_OWNER,
    VOLUME,
    VOLUME_OWNER,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeVar

    from cowl.accounting.cache_usage import CacheMountUsage, CacheUsage
    from cowl.accounting.container_usage import ContainerUsage
    from cowl.accounting.image_usage import ImageUsage
    from cowl.accounting.layer_usage import LayerUsage
    from cowl.accounting.ledger import Object
    from cowl.accounting.missing import Missing
    from cowl.accounting.reading import Reading
    from cowl.accounting.snapshot_usage import SnapshotUsage
    from cowl.accounting.summary import UsageRow
    from cowl.accounting.volume_usage import VolumeUsage
    from cowl.store.rows import SharedInodes
    from cowl.store.store import Store

    T = TypeVar("T")


class Usage:
    """Where the disk went, at the moment of asking. Its parts are worked out when they are first read."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._ledger = reading.ledger
        self._made: dict[object, Any] = {}

    def _once(self, make: Callable[..., T], subject: object) -> T:
        if make not in self._made:
            self._made[make] = make(subject)
        found: T = self._made[make]
        return found

    @property
    def rows(self) -> tuple[UsageRow, ...]:
        """Docker's four, in Docker's order; then snapshots and failed steps when there are some."""
        from cowl.accounting.summary import summary

        return self._once(summary, self._ledger)

    @property
    def owners(self) -> Mapping[str, int]:
        """Bytes on disk by owner: layer, container, snapshot, volume, build cache, cache mount, blob,
        log, staging, metadata. Every byte has exactly one; their sum is the total.
        """
        return self._once(_owners, self._reading)

    @property
    def total_allocated_bytes(self) -> int:
        """Bytes on disk of the whole store."""
        return sum(self.owners.values())

    @property
    def metadata_bytes(self) -> int:
        """On disk: database, locks, reserve, and the directories that hold the rest."""
        return self._reading.rest.metadata_bytes

    @property
    def staging_bytes(self) -> int:
        """On disk: half-made layers and what is on its way out."""
        return self._reading.rest.staging_bytes

    @property
    def images(self) -> tuple[ImageUsage, ...]:
        """All images, newest first."""
        from cowl.accounting.image_usage import image_usages

        return self._once(image_usages, self._ledger)

    @property
    def containers(self) -> tuple[ContainerUsage, ...]:
        """All containers, newest first."""
        from cowl.accounting.container_usage import container_usages

        return self._once(container_usages, self._reading)

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What has a row and no directory any more: it counts as nothing, and the total is too small."""
        from cowl.accounting.missing import missing

        return self._once(missing, self._reading)

    @property
    def snapshots(self) -> tuple[SnapshotUsage, ...]:
        """All snapshots, newest first."""
        from cowl.accounting.snapshot_usage import snapshot_usages

        return self._once(snapshot_usages, self._ledger)

    @property
    def volumes(self) -> tuple[VolumeUsage, ...]:
        """All volumes, in the order of their names."""
        from cowl.accounting.volume_usage import volume_usages

        return self._once(volume_usages, self._ledger)

    @property
    def cache(self) -> tuple[CacheUsage, ...]:
        """All cached steps, oldest first."""
        from cowl.accounting.cache_usage import step_usages

        return self._once(step_usages, self._ledger)

    @property
    def cache_mounts(self) -> tuple[CacheMountUsage, ...]:
        """All cache mounts, oldest first."""
        from cowl.accounting.cache_usage import cache_mount_usages

        return self._once(cache_mount_usages, self._ledger)

    @property
    def layers(self) -> tuple[LayerUsage, ...]:
        """All layers, in the order of their keys."""
        from cowl.accounting.layer_usage import layer_usages

        return self._once(layer_usages, self._reading)

    @property
    def shared_inodes(self) -> tuple[SharedInodes, ...]:
        """Inodes that several layers have names of: the figures of each count them, the total once."""
        return self._ledger.rows.shared_inodes

    def sharers(self, image_id: str) -> tuple[str, ...]:
        """The IDs of the images that have layers in common with this one: whom it shares bytes with."""
        from cowl.accounting.image_usage import sharers

        return sharers(self._ledger, image_id)

    def reclaimable(self, objects: Iterable[Object]) -> int:
        """Bytes on disk that removing exactly these frees.

        Objects are ("image", ID), ("snapshot", ID), ("container", ID), ("volume", name), ("step", key),
        ("failed", ID) and ("cache", ID) of a cache mount.
        A function of the set: the figures of single objects must not be added up. What does not exist
        frees nothing, and neither does what others need.
        """
        return self._ledger.frees(frozenset(objects)).allocated_bytes


def usage(store: Store, *, details: bool = True) -> Usage:
    """Measures a store: rows, a fresh look at what has no recorded measure, no walk of any image.

    details  whether what containers copied up is told from what is new, and which lines made the layers
    """
    from cowl.accounting.reading import read

    return Usage(read(store, details=details))


def _owners(reading: Reading) -> Mapping[str, int]:
    ledger, rest = reading.ledger, reading.rest
    found = dict.fromkeys(OWNERS, 0)
    for holder, owner in OWNER_OF_LAYERS.items():
        found[owner] += ledger.held(holder).allocated_bytes
    for container in reading.containers.values():
        found[CONTAINER_OWNER] += container.allocated_bytes + container.overhead_bytes
        found[LOG_OWNER] += container.log_bytes
    for (kind, _), size in ledger.own.items():
        if kind in (CACHE, VOLUME):
            found[CACHE_MOUNT_OWNER if kind == CACHE else VOLUME_OWNER] += size.allocated_bytes
    found[BLOB_OWNER] += rest.blob_bytes
    found[STAGING_OWNER] += rest.staging_bytes
    found[METADATA_OWNER] += rest.metadata_bytes
    return found
