"""Squashing: the layers of several steps made into one, without what later ones overwrote or removed.

The steps stay in the cache with their layers as they are, and so does the squashed layer, under a key of
its own: a build of which everything is cached copies nothing.
"""

from __future__ import annotations

import os

from cowl.build.keys import StepInputs, below
from cowl.errors import Invalid
from cowl.layer.ownership import for_euid
from cowl.layer.pack import pack
from cowl.layer.squash import squash
from cowl.oci.image_config import History

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.build.state import State
    from cowl.oci.image_config import ImageConfig
    from cowl.store.layers import Layer
    from cowl.store.store import Store


class NoSuchStep(Invalid):
    """The step to squash from makes no layer of the image. Field: number."""

    def __init__(self, number: int, known: Sequence[int]) -> None:
        steps = ", ".join(map(str, known)) or "none"
        super().__init__(
            f"step {number} makes no layer of this image",
            hint=f"Steps are numbered as the progress shows them; those with a layer are: {steps}.",
        )
        self.number = number


def first_layer(state: State, number: int) -> int:
    """The index of the layer that step `number` made; of 0 that of the first that is not the base's.

    Raises NoSuchStep.
    """
    if not number:
        return state.base_layers
    if number not in state.numbers:
        raise NoSuchStep(number, state.numbers)
    return state.base_layers + state.numbers.index(number)


def squash_inputs(state: State, first: int) -> StepInputs:
    """What decides a squashed layer: the layers that it is made of, and what lies below."""
    ids = [layer.diff_id for layer in state.layers]
    return StepInputs("squash", below(ids[:first]), {"layers": ids[first:]})


def make_squashed(state: State, first: int, store: Store, check: Callable[[], object]) -> Layer:
    """The committed layer in place of those from index `first` on. `check` may raise to give up."""
    keys = state.layer_keys
    with store.layers.stage() as stage:
        squash(stage.diff, store.view(keys[first:]), store.view(keys[:first]), store.view(keys), check)
        packed = pack(stage.diff, lambda _part: check(), owners=for_euid(os.geteuid()))
        return store.layers.commit(stage, packed.diff_id, packed.tar_bytes)


def with_squashed(state: State, first: int, layer: Layer, name: Callable[[State], str], number: int) -> State:
    """The state with one layer in place of those from `first` on, and the history that Docker gives it.

    The entries of the steps stay, without a layer; one more says what became of them. `name` gives the ID
    of the image of a state.
    """
    entries, layers = list(state.image.history[: state.base_history]), state.base_layers
    for entry in state.image.history[state.base_history :]:
        layers += not entry.empty_layer
        entries.append(entry.replace(empty_layer=True) if layers > first else entry)
    merged = History(created_by="", comment=_comment(state, first, name, number), empty_layer=False)
    image: ImageConfig = state.image.replace(history=(*entries, merged))
    kept = first - state.base_layers
    made_by, numbers = state.made_by[:kept], state.numbers[:kept]
    layers_now = (*state.layers[:first], layer)
    return state.replace(image=image, layers=layers_now, made_by=made_by, numbers=numbers)


def _comment(state: State, first: int, name: Callable[[State], str], number: int) -> str:
    whole = name(state)
    if number:
        return f"merge {whole} from step {number}"
    return f"merge {whole} to {state.base_image}" if first else f"create new from {whole}"
