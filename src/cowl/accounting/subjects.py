"""Subjects: the image, container, snapshot or layer that is asked about, as layers with who made them."""

from __future__ import annotations

from cowl.errors import NotFound
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from cowl.store.built_images import BuiltImage
    from cowl.store.containers import ContainerRecord
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.snapshot_record import SnapshotRecord
    from cowl.store.store import Store

    # The created_by of each layer of an image, bottom first.
    Tell: TypeAlias = "Callable[[ImageRecord], Sequence[str]]"

CONTAINER, IMAGE, SNAPSHOT, LAYER = "container", "image", "snapshot", "layer"
_FROZEN = "what a container wrote, frozen by a snapshot"


class NoSuchSubject(NotFound):
    """Nothing of these kinds goes by that name. Fields: text, kinds."""

    def __init__(self, text: str, kinds: Sequence[str]) -> None:
        *most, last = kinds
        among = f"{', '.join(most)} or {last}" if most else last
        hint = "`cowl images`, `cowl ps -a` and `cowl snapshot ls` list what is there."
        super().__init__(f"No such {among}: {text}", hint=hint)
        self.text = text
        self.kinds = tuple(kinds)


class Subject(Value):
    """What is asked about.

    kind         CONTAINER, IMAGE, SNAPSHOT or LAYER
    name         as people call it
    layers       of its root, bottom first
    told         the created_by of each, "" where nobody knows
    upper        the writable tree of a container, "" of anything else
    built        how its image was built, if that was here
    """

    kind: str
    id: str
    name: str
    layers: tuple[Layer, ...]
    told: tuple[str, ...]
    upper: str = ""
    built: BuiltImage | None = None

    @property
    def base_layers(self) -> int:
        """How many of the lowest layers the Dockerfile did not make; 0 when that is unknown."""
        return self.built.base_layers if self.built is not None else 0

    def maker(self, position: int) -> tuple[int, int]:
        """(line in the Dockerfile, number of the step) that made a layer; 0 when unknown."""
        return self.built.maker(position) if self.built is not None else (0, 0)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the layers, bottom first."""
        return tuple(layer.key for layer in self.layers)


def find_subject(store: Store, text: str, tell: Tell, kinds: Sequence[str]) -> Subject:
    """What goes by a name, an ID or the beginning of one, looked for among `kinds` in their order.

    Raises NoSuchSubject, Conflict or Invalid for what is ambiguous.
    """
    look = {CONTAINER: _container, IMAGE: _image, SNAPSHOT: _snapshot, LAYER: _layer}
    for kind in kinds:
        try:
            return look[kind](store, text, tell)
        except NotFound:
            continue
    raise NoSuchSubject(text, kinds)


def _image(store: Store, text: str, tell: Tell) -> Subject:
    record = store.images.find(text)
    told = _told(record, record.layers, tell)
    return Subject(IMAGE, record.id, text, record.layers, told, built=store.images.built(record.id))


def _container(store: Store, text: str, tell: Tell) -> Subject:
    box = store.containers.find(text)
    told = _told_of_image(store, box, tell)
    built = store.images.built(box.image_id)
    return Subject(CONTAINER, box.id, box.name, box.layers, told, box.upper, built)


def _layer(store: Store, text: str, tell: Tell) -> Subject:  # noqa: ARG001  # all kinds are asked alike
    layer = store.layers.resolve(text)
    return Subject(LAYER, layer.key, text, (layer,), ("",))


def _snapshot(store: Store, text: str, tell: Tell) -> Subject:
    found = store.snapshots.find(text)
    told = _told_of_image(store, found, tell)
    built = store.images.built(found.image_id)
    return Subject(SNAPSHOT, found.id, found.name or found.id[:12], found.layers, told, built=built)


def _told_of_image(store: Store, record: ContainerRecord | SnapshotRecord, tell: Tell) -> tuple[str, ...]:
    """The image may have been forced away; on top of its layers may be those of snapshots."""
    own = record.layers[: record.image_layers]
    try:
        told = _told(store.images.get(record.image_id), own, tell)
    except NotFound:
        told = ("",) * len(own)
    return (*told, *([_FROZEN] * (len(record.layers) - len(own))))


def _told(record: ImageRecord, layers: Sequence[Layer], tell: Tell) -> tuple[str, ...]:
    return (*tell(record), *([""] * len(layers)))[: len(layers)]
