"""Assembly: the last state of the target stage to an image in the store."""

from __future__ import annotations

import time

from cowl.build.delivery import IntoStore
from cowl.build.triggers import is_trigger
from cowl.oci.digest import Digest
from cowl.oci.image_config import History, ImageConfig
from cowl.oci.reference import Reference
from cowl.store.built_images import BuiltImage
from cowl.store.images import ImageRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.build.delivery import Delivery
    from cowl.build.state import State
    from cowl.store.steps import BuiltStep
    from cowl.store.store import Store

INTO_STORE = IntoStore()


def assemble(
    store: Store,
    state: State,
    tags: Sequence[Reference],
    clock: Callable[[], float],
    delivery: Delivery = INTO_STORE,
    steps: Sequence[BuiltStep] = (),
    epoch: int | None = None,
) -> ImageRecord:
    """Delivers the image; adds it and its names, in one transaction, if it is to come into the store.

    Every time in the config is that of a layer of this build, so the same layers and instructions give
    the same image ID whether they were cached or not. What stands already is only read. With an `epoch`
    (seconds) that is every time.
    """
    config = finished(state, clock, epoch)
    raw = config.serialize()
    if len(state.layers) == state.base_layers and epoch is None:
        raw = _twin(store, state, config) or raw
    raw = delivery.config(raw, steps)
    names = sorted(str(tag) for tag in tags)
    now = clock()
    image = ImageRecord(Digest.of(raw), raw, config.created, state.layers, tuple(names), (), now, now)
    delivery.deliver(image, steps)
    if delivery.keeps_image:
        image = _kept(store, state, raw, names)
    delivery.published(image, steps)
    return image


def _kept(store: Store, state: State, raw: bytes, names: list[str]) -> ImageRecord:
    identity = Digest.of(raw)
    # a Dockerfile that changes nothing gives its base: what built that one stays known
    built = _built(state) if identity != state.base_image else store.images.built(identity)
    known = _known(store, identity)
    named = known is not None and known.layer_keys == state.layer_keys and set(names) <= set(known.references)
    if known is not None and named and store.images.built(identity) == built:
        return known
    return store.images.add(raw, state.layer_keys, references=names, built=built)


def _built(state: State) -> BuiltImage:
    """Which line made which layer. A trigger of the base has none in this Dockerfile, a squashed layer
    several."""
    made = zip(state.made_by, state.numbers, strict=True)
    makers = [(0 if is_trigger(node) else node.source.first_line, step) for node, step in made]
    squashed = [(0, 0)] * (len(state.layers) - state.base_layers - len(makers))
    return BuiltImage(state.base_image, state.base_layers, (*makers, *squashed))


def finished(state: State, clock: Callable[[], float], epoch: int | None = None) -> ImageConfig:
    """The config with its diff_ids, and with a time in each history entry that this build added.

    An entry without a layer has the time of the new layer below it, else of the first new one; when
    there is no new layer at all, the clock is asked. With an `epoch` that is the time of all of them;
    those of the base image stay, as BuildKit has it.
    """
    layers = state.layers[state.base_layers :]
    fixed = "" if epoch is None else rfc3339_whole(epoch)
    new = [fixed or rfc3339(layer.created_at) for layer in layers]
    current = new[0] if new else fixed or rfc3339(clock())
    waiting = iter(new)
    history: list[History] = []
    for entry in state.image.history:
        if len(history) < state.base_history:
            history.append(entry)
            continue
        current = current if entry.empty_layer else next(waiting, current)
        history.append(entry.replace(created=current))
    changed = len(history) > state.base_history
    return state.image.replace(
        diff_ids=tuple(layer.diff_id for layer in state.layers),
        history=tuple(history),
        created=current if changed else state.image.created or current,
    )


def rfc3339(seconds: float) -> str:
    """A time in UTC with microseconds: "2024-05-06T07:08:09.123456Z"."""
    micros = round(seconds * 1_000_000)
    whole, part = divmod(micros, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{part:06d}Z"


def rfc3339_whole(seconds: int) -> str:
    """A time in UTC without a fraction, as Go writes it: "2024-05-06T07:08:09Z"."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _known(store: Store, identity: Digest) -> ImageRecord | None:
    from cowl.errors import NotFound

    try:
        return store.images.get(identity)
    except NotFound:
        return None


def _twin(store: Store, state: State, config: ImageConfig) -> bytes | None:
    """The config of an image that differs in its times alone: a build without layers has none to go by."""
    wanted = _timeless(config)
    for record in store.images.on_layers(state.layer_keys):
        if _timeless(ImageConfig.parse(record.config_bytes)) == wanted:
            return record.config_bytes
    return None


def _timeless(config: ImageConfig) -> ImageConfig:
    history = tuple(_without_time(entry) for entry in config.history)
    return config.replace(created="", history=history)


def _without_time(entry: History) -> History:
    return entry.replace(created="")
