"""Figures: what one image, container, step, layer or kind of them takes."""

from __future__ import annotations

from cowl.accounting.ledger import CONTAINER, FAILED, IMAGE, STEP
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.ledger import Object


class UsageRow(Value):
    """A row of `system df`. Sizes are apparent, as Docker's SIZE, but for those that say allocated.

    reclaimable_bytes  what removing all of this kind that is not in use frees, nothing else removed
    """

    kind: str  # "Images", "Containers", "Local Volumes", "Build Cache", "Failed Steps"
    total: int
    active: int
    size_bytes: int
    reclaimable_bytes: int
    allocated_bytes: int
    reclaimable_allocated_bytes: int


class ImageUsage(Value):
    """An image. repository and tag are those of its first name as Docker shows it, or "<none>".

    size_bytes       apparent, of all its layers
    shared_bytes     of those layers that other images stand on too
    unique_bytes     of those that no other image stands on: size_bytes is the sum of the two
    allocated_bytes  on disk, of all its layers
    frees_bytes      on disk, what removing this image alone would free
    """

    id: str
    references: tuple[str, ...]
    repository: str
    tag: str
    created: str
    created_at: float
    last_used: float
    size_bytes: int
    shared_bytes: int
    unique_bytes: int
    allocated_bytes: int
    frees_bytes: int
    containers: int


class ContainerUsage(Value):
    """A container. `names` as Docker's column; `image` and `command` as it was started.

    size_bytes       apparent, of what it wrote (its upper)
    virtual_bytes    the same with the layers of its image
    allocated_bytes  on disk, of its whole directory: freed when it is removed
    """

    id: str
    names: tuple[str, ...]
    image: str
    image_id: str
    command: tuple[str, ...]
    created_at: float
    started_at: float
    finished_at: float
    state: str
    exit_code: int
    size_bytes: int
    virtual_bytes: int
    allocated_bytes: int


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


class LayerUsage(Value):
    """A layer: who refers to it, and which kind owns its bytes ("image", "container", "step", "failed",
    "staging").

    `pinned`: a running pull, build or commit needs it.
    """

    key: str
    diff_id: str
    size_bytes: int
    allocated_bytes: int
    images: tuple[str, ...]
    containers: tuple[str, ...]
    steps: tuple[str, ...]
    owner: str
    pinned: bool
    failed_steps: tuple[str, ...] = ()

    @property
    def referents(self) -> frozenset[Object]:
        """All that must be removed before the layer goes."""
        return frozenset(
            (kind, identity)
            for kind, found in (
                (IMAGE, self.images),
                (CONTAINER, self.containers),
                (STEP, self.steps),
                (FAILED, self.failed_steps),
            )
            for identity in found
        )
