"""The summary: a row for each kind of object, as `docker system df` shows them."""

from __future__ import annotations

from cowl.accounting.ledger import CACHE, CONTAINER, FAILED, IMAGE, SNAPSHOT, STEP, VOLUME, total
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.ledger import Bytes, Ledger, Object

IMAGES, CONTAINERS, VOLUMES, BUILD_CACHE = "Images", "Containers", "Local Volumes", "Build Cache"
SNAPSHOTS, FAILED_STEPS = "Snapshots", "Failed Steps"
IDLE_STATES = ("created", "exited", "dead")


class UsageRow(Value):
    """A row of `system df`. Sizes are apparent, as Docker's SIZE, but for those that say allocated.

    Rows are disjoint: an image's layer is of the first, whatever else refers to it.

    reclaimable_bytes  what removing all of this kind that is not in use frees, nothing else removed; the
                       build cache and failed steps go together
    """

    kind: str  # IMAGES, CONTAINERS, VOLUMES, BUILD_CACHE; SNAPSHOTS and FAILED_STEPS when there are any
    total: int
    active: int
    size_bytes: int
    reclaimable_bytes: int
    allocated_bytes: int
    reclaimable_allocated_bytes: int


def summary(ledger: Ledger) -> tuple[UsageRow, ...]:
    """Docker's four rows in Docker's order, then those that Docker has not."""
    return (_images(ledger), _containers(ledger), _volumes(ledger), *_build_cache(ledger))


def _images(ledger: Ledger) -> UsageRow:
    images = ledger.rows.images
    used = {container.image_id for container in ledger.rows.containers}
    idle = frozenset((IMAGE, image.id) for image in images if image.id not in used)
    return _row(IMAGES, len(images), len(images) - len(idle), ledger.held(IMAGE), ledger.frees(idle))


def _containers(ledger: Ledger) -> UsageRow:
    """Their directories, and layers that they alone hold: their image was forced away."""
    boxes = ledger.rows.containers
    idle = frozenset((CONTAINER, row.id) for row in boxes if row.state in IDLE_STATES)
    size = _own(ledger, CONTAINER) + ledger.held(CONTAINER)
    return _row(CONTAINERS, len(boxes), len(boxes) - len(idle), size, ledger.frees(idle))


def _volumes(ledger: Ledger) -> UsageRow:
    volumes = ledger.rows.volumes
    idle = frozenset((VOLUME, volume.name) for volume in volumes if not volume.containers)
    size, freed = _own(ledger, VOLUME), ledger.frees(idle)
    return _row(VOLUMES, len(volumes), len(volumes) - len(idle), size, freed)


def _build_cache(ledger: Ledger) -> tuple[UsageRow, ...]:
    """The build cache, snapshots and failed steps; these go when the build cache is pruned."""
    rows = ledger.rows
    steps: frozenset[Object] = frozenset((STEP, step.key) for step in rows.steps)
    mounts: frozenset[Object] = frozenset((CACHE, mount.id) for mount in rows.cache_mounts)
    failed: frozenset[Object] = frozenset((FAILED, image.id) for image in rows.failed_steps)
    dropped = ledger.dropped(steps | failed)
    in_use = sum([step.layer_key in rows.pinned for step in rows.steps]) + len(mounts & ledger.used)
    found = [
        _row(
            BUILD_CACHE,
            len(steps) + len(mounts),
            in_use,
            ledger.held(STEP) + _own(ledger, CACHE),
            ledger.gives(dropped, STEP) + ledger.frees(mounts),
        )
    ]
    if rows.snapshots:
        found.append(_snapshots(ledger))
    if failed:
        count = len({image.step for image in rows.failed_steps})
        found.append(_row(FAILED_STEPS, count, 0, ledger.held(FAILED), ledger.gives(dropped, FAILED)))
    return tuple(found)


def _snapshots(ledger: Ledger) -> UsageRow:
    """Active are those that a container stands on."""
    snapshots = ledger.rows.snapshots
    idle = frozenset(
        (SNAPSHOT, row.id)
        for row in snapshots
        if not any(ledger.users(key, CONTAINER) for key in row.layer_keys[-1:])
    )
    size = ledger.held(SNAPSHOT)
    return _row(SNAPSHOTS, len(snapshots), len(snapshots) - len(idle), size, ledger.frees(idle))


def _own(ledger: Ledger, kind: str) -> Bytes:
    return total([size for thing, size in ledger.own.items() if thing[0] == kind])


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
