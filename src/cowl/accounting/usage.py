"""Usage: what each image, container and cached step takes, and all of it, to the byte."""

from __future__ import annotations

import json

from cowl.accounting.figures import (
    CacheMountUsage,
    CacheUsage,
    ContainerUsage,
    ImageUsage,
    LayerUsage,
    UsageRow,
)
from cowl.accounting.ledger import CACHE, CONTAINER, FAILED, IMAGE, STEP, Bytes, Ledger
from cowl.oci.reference import Reference
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl.accounting.ledger import Object
    from cowl.store.cache_mounts import CacheMount
    from cowl.store.rows import ContainerRow, ImageRow, Rows, StepRow
    from cowl.store.store import Store

_NONE = "<none>"


class Usage(Value):
    """Where the disk went. All parts are disjoint: total_allocated_bytes is their sum.

    rows            Docker's four, in Docker's order, and one of failed steps when some are kept
    metadata_bytes  allocated: database, locks, reserve, and the directories that hold the rest
    staging_bytes   allocated: half-made layers and what is on its way out
    """

    rows: tuple[UsageRow, ...]
    images: tuple[ImageUsage, ...]
    containers: tuple[ContainerUsage, ...]
    cache: tuple[CacheUsage, ...]
    layers: tuple[LayerUsage, ...]
    metadata_bytes: int
    staging_bytes: int
    total_allocated_bytes: int
    cache_mounts: tuple[CacheMountUsage, ...] = ()

    def reclaimable(self, objects: Iterable[Object]) -> int:
        """Bytes on disk that removing exactly these frees.

        Objects are ("image", ID), ("container", ID), ("step", key), ("failed", ID) and ("cache", ID) of a
        cache mount.
        A function of the set: the figures of single objects must not be added up. What does not exist
        frees nothing.
        """
        wanted = frozenset(objects)
        layers = sum(
            layer.allocated_bytes
            for layer in self.layers
            if layer.referents and layer.referents <= wanted and not layer.pinned
        )
        containers = (box.allocated_bytes for box in self.containers if (CONTAINER, box.id) in wanted)
        mounts = (
            mount.allocated_bytes
            for mount in self.cache_mounts
            if (CACHE, mount.id) in wanted and not mount.in_use
        )
        return layers + sum(containers) + sum(mounts)


def usage(store: Store) -> Usage:
    """Measures a store: rows, a fresh look at uppers without a recorded measure, no walk of any image."""
    rows = store.rows()
    uppers = store.measure_containers(rows.containers)
    mounts = store.cache_mounts.measured(rows.cache_mounts) if rows.cache_mounts else ()
    ledger = Ledger(
        rows,
        {
            identity: Bytes(found.size_bytes, found.allocated_bytes + found.overhead_bytes)
            for identity, found in uppers.items()
        },
        {mount.id: Bytes(mount.size_bytes, mount.allocated_bytes) for mount in mounts},
        frozenset(mount.id for mount in mounts if mount.in_use),
    )
    metadata, staging = store.measure_rest()
    users = _users(rows)
    layers = sum(layer.allocated_bytes for layer in rows.layers)
    containers = sum(upper.allocated_bytes for upper in ledger.uppers.values())
    caches = sum(cache.allocated_bytes for cache in ledger.caches.values())
    return Usage(
        rows=_rows(ledger),
        images=tuple(_image(ledger, image, users.get(image.id, 0)) for image in rows.images),
        containers=tuple(_container(ledger, container) for container in rows.containers),
        cache=tuple(_step(ledger, step) for step in rows.steps),
        layers=tuple(_layer(ledger, key) for key in ledger.layers),
        metadata_bytes=metadata,
        staging_bytes=staging,
        total_allocated_bytes=layers + containers + caches + metadata + staging,
        cache_mounts=tuple(map(_cache_mount, mounts)),
    )


def _rows(ledger: Ledger) -> tuple[UsageRow, ...]:
    rows = ledger.rows
    used = {container.image_id for container in rows.containers}
    idle_images = frozenset((IMAGE, image.id) for image in rows.images if image.id not in used)
    idle_containers = frozenset((CONTAINER, row.id) for row in rows.containers if row.state != "running")
    failed = frozenset((FAILED, image.id) for image in rows.failed_steps)
    cached = frozenset((STEP, step.key) for step in rows.steps) | {(CACHE, each) for each in ledger.caches}
    in_use = sum(step.layer_key in rows.pinned for step in rows.steps) + len(ledger.used)
    kept = sum(ledger.caches.values(), ledger.owned(STEP))
    standing = ledger.owned(IMAGE) + ledger.owned(CONTAINER)
    uppers = sum(ledger.uppers.values(), Bytes())
    stopped = sum((ledger.uppers[identity] for _, identity in idle_containers), Bytes())
    return (
        _row(
            "Images",
            len(rows.images),
            len(rows.images) - len(idle_images),
            standing,
            ledger.frees(idle_images),
        ),
        _row(
            "Containers", len(rows.containers), len(rows.containers) - len(idle_containers), uppers, stopped
        ),
        _row("Local Volumes", 0, 0, Bytes(), Bytes()),
        _row("Build Cache", len(cached), in_use, kept, ledger.frees(cached | failed)),
        *_failed(ledger, failed),
    )


def _failed(ledger: Ledger, images: frozenset[Object]) -> tuple[UsageRow, ...]:
    """What is kept of failed steps, before and after each; the build cache's figures count it in."""
    if not images:
        return ()
    steps = len({image.step for image in ledger.rows.failed_steps})
    return (_row("Failed Steps", steps, 0, ledger.owned(FAILED), ledger.frees(images)),)


def _row(kind: str, total: int, active: int, size: Bytes, reclaimable: Bytes) -> UsageRow:
    return UsageRow(
        kind,
        total,
        active,
        size.size_bytes,
        reclaimable.size_bytes,
        size.allocated_bytes,
        reclaimable.allocated_bytes,
    )


def _image(ledger: Ledger, image: ImageRow, containers: int) -> ImageUsage:
    keys = set(image.layer_keys)
    size = ledger.bytes_of(keys)
    shared = ledger.bytes_of(key for key in keys if len(ledger.users(key, IMAGE)) > 1)
    first = Reference.parse(image.references[0]) if image.references else None
    return ImageUsage(
        id=image.id,
        references=image.references,
        repository=first.familiar_repository if first else _NONE,
        tag=first.tag if first else _NONE,
        created=_created(image.config_bytes),
        created_at=image.created_at,
        last_used=image.last_used,
        size_bytes=size.size_bytes,
        shared_bytes=shared.size_bytes,
        unique_bytes=size.size_bytes - shared.size_bytes,
        allocated_bytes=size.allocated_bytes,
        frees_bytes=ledger.frees(frozenset({(IMAGE, image.id)})).allocated_bytes,
        containers=containers,
    )


def _users(rows: Rows) -> dict[str, int]:
    """How many containers were made from each image."""
    count: dict[str, int] = {}
    for container in rows.containers:
        count[container.image_id] = count.get(container.image_id, 0) + 1
    return count


def _created(config: bytes) -> str:
    """When the image was made, RFC 3339, as its config says it."""
    try:
        found = json.loads(config)
    except ValueError:
        return ""
    created = found.get("created", "") if isinstance(found, dict) else ""
    return created if isinstance(created, str) else ""


def _container(ledger: Ledger, row: ContainerRow) -> ContainerUsage:
    settings = json.loads(row.settings)
    upper = ledger.uppers[row.id]
    return ContainerUsage(
        id=row.id,
        names=(row.name,),
        image=settings.get("image", row.image_id),
        image_id=row.image_id,
        command=tuple(settings.get("args", ())),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        state=row.state,
        exit_code=row.exit_code,
        size_bytes=upper.size_bytes,
        virtual_bytes=upper.size_bytes + ledger.bytes_of(row.layer_keys).size_bytes,
        allocated_bytes=upper.allocated_bytes,
    )


def _step(ledger: Ledger, step: StepRow) -> CacheUsage:
    size = ledger.bytes_of((step.layer_key,) if step.layer_key else ())
    return CacheUsage(
        key=step.key,
        description=step.description,
        layer_key=step.layer_key,
        created_at=step.created_at,
        last_used=step.last_used,
        size_bytes=size.size_bytes,
        allocated_bytes=size.allocated_bytes,
        shared=bool(step.layer_key) and bool(ledger.users(step.layer_key, IMAGE)),
        in_use=step.layer_key in ledger.rows.pinned,
    )


def _cache_mount(mount: CacheMount) -> CacheMountUsage:
    about = (mount.id, mount.name, mount.created_at, mount.last_used)
    return CacheMountUsage(*about, mount.size_bytes, mount.allocated_bytes, mount.in_use)


def _layer(ledger: Ledger, key: str) -> LayerUsage:
    layer = ledger.layers[key]
    return LayerUsage(
        key=key,
        diff_id=layer.diff_id,
        size_bytes=layer.size_bytes,
        allocated_bytes=layer.allocated_bytes,
        images=tuple(ledger.users(key, IMAGE)),
        containers=tuple(ledger.users(key, CONTAINER)),
        steps=tuple(ledger.users(key, STEP)),
        owner=ledger.owner(key),
        pinned=key in ledger.rows.pinned,
        failed_steps=tuple(ledger.users(key, FAILED)),
    )
