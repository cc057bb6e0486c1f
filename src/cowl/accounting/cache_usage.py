"""What the build cache takes: cached steps, and what RUN --mount=type=cache keeps."""

from __future__ import annotations

from cowl.accounting.ledger import CACHE, IMAGE, NOTHING
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.ledger import Ledger
    from cowl.store.rows import CacheMountRow, StepRow


class CacheUsage(Value):
    """A step of the build cache; its sizes are its layer's. `shared`: an image stands on the layer too."""

    key: str
    description: str
    layer_key: str
    created_at: float
    last_used: float
    size_bytes: int
    allocated_bytes: int
    shared: bool
    in_use: bool


class CacheMountUsage(Value):
    """What RUN --mount=type=cache has kept. `name` is the id= of the Dockerfile.

    size_bytes       apparent
    allocated_bytes  on disk, of its whole directory: freed when it is removed, which `in_use` forbids
    """

    id: str
    name: str
    created_at: float
    last_used: float
    size_bytes: int
    allocated_bytes: int
    in_use: bool


def step_usages(ledger: Ledger) -> tuple[CacheUsage, ...]:
    """All cached steps, oldest first."""
    return tuple(_step(ledger, step) for step in ledger.rows.steps)


def _step(ledger: Ledger, step: StepRow) -> CacheUsage:
    layer = ledger.layers.get(step.layer_key)
    return CacheUsage(
        key=step.key,
        description=step.description,
        layer_key=step.layer_key,
        created_at=step.created_at,
        last_used=step.last_used,
        size_bytes=layer.size_bytes if layer else 0,
        allocated_bytes=layer.allocated_bytes if layer else 0,
        shared=bool(step.layer_key) and bool(ledger.users(step.layer_key, IMAGE)),
        in_use=step.layer_key in ledger.rows.pinned,
    )


def cache_mount_usages(ledger: Ledger) -> tuple[CacheMountUsage, ...]:
    """All cache mounts, oldest first."""
    return tuple(_cache_mount(ledger, row) for row in ledger.rows.cache_mounts)


def _cache_mount(ledger: Ledger, row: CacheMountRow) -> CacheMountUsage:
    size = ledger.own.get((CACHE, row.id), NOTHING)
    return CacheMountUsage(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        last_used=row.last_used,
        size_bytes=size.size_bytes,
        allocated_bytes=size.allocated_bytes,
        in_use=(CACHE, row.id) in ledger.used,
    )
