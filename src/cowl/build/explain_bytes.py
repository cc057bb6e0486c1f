"""Where the bytes of a build went: its layers read back and told by lines of the Dockerfile."""

from __future__ import annotations

from cowl.build.line_bytes import maker_of, tell
from cowl.dockerfile.remedies import BASE
from cowl.layer.listing import read_listing
from cowl.layer.rewrites import find_copy_ups
from cowl.layer.stacked import stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.state import State
    from cowl.events import BytesExplained
    from cowl.store.store import Store

# Bytes of files that are compared: a build that did not ask is not to wait for it.
BUDGET, UNASKED_BUDGET = 1 << 30, 64 << 20


def explain_bytes(state: State, store: Store, *, whole: bool) -> BytesExplained:
    """The ledger of the layers of `state`, which must be kept alive meanwhile.

    With `whole` the base image's too, else only those that the Dockerfile adds. Raises OSError.
    """
    layers = state.layers if whole else state.layers[state.base_layers :]
    base = [BASE] * (len(layers) - len(state.made_by))
    makers = [*base, *map(maker_of, state.made_by)]
    trees = [store.directory.diff(layer.key) for layer in layers]
    stacked = stack(map(read_listing, trees))
    copy_ups = find_copy_ups(stacked.rewrites, trees, BUDGET if whole else UNASKED_BUDGET)
    return tell(stacked, makers, copy_ups, whole=whole)
