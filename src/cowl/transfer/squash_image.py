"""Squash: a range of an image's layers as one, in a new image. What lies below and above is shared."""

from __future__ import annotations

import os

from cowl.errors import Invalid
from cowl.layer.ownership import for_euid
from cowl.layer.pack import pack
from cowl.layer.squash import squash
from cowl.oci.image_config import History, ImageConfig
from cowl.transfer.import_tar import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.oci.reference import Reference
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.store import Store

_COMMENT = 4096  # characters that a comment may have


class NoSuchRange(Invalid):
    """The image has no such layers, or only one. Fields: image, first, last, count."""

    def __init__(self, image: str, first: int, last: int, count: int) -> None:
        if 1 <= first == last <= count:
            why, hint = f"layer {first} of {image} is one already", "a range has two layers or more"
        else:
            beyond = first > count
            why = f"{image} has no layer {first}" if beyond else f"{image} has no layers {first} to {last}"
            hint = f"it has {count}, numbered from 1 at the bottom; `cowl explain` lists them"
        super().__init__(why, hint=hint)
        self.image = image
        self.first = first
        self.last = last
        self.count = count


def squash_image(
    store: Store, name: str, first: int, last: int, reference: Reference | None, clock: Callable[[], float]
) -> tuple[ImageRecord, int, int, int]:
    """The new image, how many layers became one, and the bytes by which that is smaller: apparent, on disk.

    first, last  numbers of layers, 1 at the bottom; `last` 0 is the topmost
    The old image and all cached steps stay as they are. Raises NoSuchImage, NoSuchRange, StoreFull.
    """
    image = store.images.find(name)
    layers = image.layers
    last = last or len(layers)
    if not 1 <= first < last <= len(layers):
        raise NoSuchRange(name, first, last, len(layers))
    old = {layer.key: layer for layer in layers[first - 1 : last]}.values()
    with store.lease("squash") as lease:
        for key in image.layer_keys:
            lease.pin(key)
        made = _layer(store, image.layer_keys, first - 1, last)
        lease.pin(made.key)
        keys = (*image.layer_keys[: first - 1], made.key, *image.layer_keys[last:])
        config = _config(ImageConfig.parse(image.config_bytes), made, first - 1, last, rfc3339(clock()))
        references = (reference,) if reference else ()
        added = store.images.add(config.serialize(), keys, references=references)
    return (
        added,
        last - first + 1,
        sum(layer.size_bytes for layer in old) - made.size_bytes,
        sum(layer.allocated_bytes for layer in old) - made.allocated_bytes,
    )


def _layer(store: Store, keys: Sequence[str], start: int, end: int) -> Layer:
    with store.layers.stage() as stage:
        squash(stage.diff, store.view(keys[start:end]), store.view(keys[:start]), store.view(keys[:end]))
        packed = pack(stage.diff, None, owners=for_euid(os.geteuid()))
        return store.layers.commit(stage, packed.diff_id, packed.tar_bytes)


def _config(old: ImageConfig, made: Layer, start: int, end: int, created: str) -> ImageConfig:
    ids = (*old.diff_ids[:start], made.diff_id, *old.diff_ids[end:])
    history = merged_history(old.history, len(old.diff_ids), start, end, created)
    return old.replace(created=created, diff_ids=ids, history=history)


def merged_history(
    history: Sequence[History], layers: int, start: int, end: int, created: str
) -> tuple[History, ...]:
    """The history with one entry for the layers from index `start` up to `end`, which tells what made them.

    Entries without a layer stay. Layers that the history does not tell of are the lowest ones.
    """
    index = layers - sum(not entry.empty_layer for entry in history)
    words = [""] * max(0, min(index, end) - start)
    kept: list[History] = []
    for entry in history:
        if entry.empty_layer:
            kept.append(entry)
            continue
        if start <= index < end:
            words.append(entry.created_by)
        else:
            kept.append(entry)
        index += 1
        if index == end:
            comment = _comment([word or "(unknown)" for word in words])
            by = f"cowl squash --from {start + 1} --to {end}"
            kept.append(History(created=created, created_by=by, comment=comment))
    return tuple(kept)


def _comment(words: Sequence[str]) -> str:
    text = f"{len(words)} layers: {'; '.join(words)}"
    return text if len(text) <= _COMMENT else f"{text[: _COMMENT - 3]}..."
