"""What an image takes, and what of that it shares with which others."""

from __future__ import annotations

from cowl.accounting.ledger import IMAGE
from cowl.oci.reference import Reference
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.ledger import Ledger
    from cowl.store.rows import ImageRow

_NONE = "<none>"


class ImageUsage(Value):
    """An image. repository and tag are those of its first name as Docker shows it, or "<none>".

    size_bytes       apparent, of all its layers: what `images` and `history` show
    shared_bytes     of those layers that other images stand on too
    unique_bytes     of those that no other image stands on: size_bytes is the sum of the two
    allocated_bytes  on disk, of all its layers
    frees_bytes      on disk, what removing this image alone would free
    containers       how many were made from it
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


def image_usages(ledger: Ledger) -> tuple[ImageUsage, ...]:
    """All images, newest first."""
    containers: dict[str, int] = {}
    for container in ledger.rows.containers:
        containers[container.image_id] = containers.get(container.image_id, 0) + 1
    return tuple(_image(ledger, image, containers.get(image.id, 0)) for image in ledger.rows.images)


def _image(ledger: Ledger, image: ImageRow, containers: int) -> ImageUsage:
    size = ledger.apparent_bytes(image.layer_keys)
    common = [key for key in image.layer_keys if len(ledger.users(key, IMAGE)) > 1]
    shared = ledger.apparent_bytes(common)
    first = Reference.parse(image.references[0]) if image.references else None
    return ImageUsage(
        id=image.id,
        references=image.references,
        repository=first.familiar_repository if first else _NONE,
        tag=first.tag if first else _NONE,
        created=image.created,
        created_at=image.created_at,
        last_used=image.last_used,
        size_bytes=size,
        shared_bytes=shared,
        unique_bytes=size - shared,
        allocated_bytes=ledger.bytes_of(image.layer_keys).allocated_bytes,
        frees_bytes=ledger.frees(frozenset({(IMAGE, image.id)})).allocated_bytes,
        containers=containers,
    )


def sharers(ledger: Ledger, identity: str) -> tuple[str, ...]:
    """The IDs of the other images that stand on any of an image's layers, sorted."""
    others = {other for key in ledger.needs((IMAGE, identity)) for other in ledger.users(key, IMAGE)}
    return tuple(sorted(others - {identity}))
