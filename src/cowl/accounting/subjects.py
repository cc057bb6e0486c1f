"""Subjects: the image, container or layer that is asked about, as layers with who made them."""

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
    from cowl.store.store import Store

    # The created_by of each layer of an image, bottom first.
    Tell: TypeAlias = "Callable[[ImageRecord], Sequence[str]]"

CONTAINER, IMAGE, LAYER = "container", "image", "layer"


class NoSuchSubject(NotFound):
    """Nothing of these kinds goes by that name. Fields: text, kinds."""

    def __init__(self, text: str, kinds: Sequence[str]) -> None:
        super().__init__(
            f"No such {' or '.join(kinds)}: {text}", hint="`cowl images` and `cowl ps -a` list what is there."
        )
        self.text = text
        self.kinds = tuple(kinds)


class Subject(Value):
    """What is asked about.

    kind         CONTAINER, IMAGE or LAYER
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
        index = position - self.base_layers
        if self.built is None or not 0 <= index < len(self.built.makers):
            return 0, 0
        return self.built.makers[index]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the layers, bottom first."""
        return tuple(layer.key for layer in self.layers)


def find_subject(store: Store, text: str, tell: Tell, kinds: Sequence[str]) -> Subject:
    """What goes by a name, an ID or the beginning of one, looked for among `kinds` in their order.

    Raises NoSuchSubject, Conflict or Invalid for what is ambiguous.
    """
    look = {CONTAINER: _container, IMAGE: _image, LAYER: _layer}
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
    told = _told(_image_of(store, box), box.layers, tell)
    built = store.images.built(box.image_id)
    return Subject(CONTAINER, box.id, box.name, box.layers, told, box.upper, built)


def _layer(store: Store, text: str, tell: Tell) -> Subject:  # noqa: ARG001  # all kinds are asked alike
    layer = store.layers.resolve(text)
    return Subject(LAYER, layer.key, text, (layer,), ("",))


def _image_of(store: Store, box: ContainerRecord) -> ImageRecord | None:
    """The image of a container, unless it was forced away from under it."""
    try:
        return store.images.get(box.image_id)
    except NotFound:
        return None


def _told(record: ImageRecord | None, layers: Sequence[Layer], tell: Tell) -> tuple[str, ...]:
    told = tuple(tell(record)) if record is not None else ()
    return (*told, *([""] * len(layers)))[: len(layers)]
