"""Which network a container gets whose caller named none, or "default"."""

from __future__ import annotations

from cowl.container.networks.modes import BRIDGE, DEFAULT, NONE
from cowl.errors import CowlError, Denied, Unavailable
from cowl.events import Warned
from cowl.linux.probe import rung
from cowl.linux.rung import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.options import RunOptions
    from cowl.store.store import Store


def with_network(store: Store, options: RunOptions) -> RunOptions:
    """The options with a network that is there for this user, where the default one was asked for.

    Who publishes ports without a network asks for it too. When it can't be had, and nobody said that it
    must be, there is none, and an event says why. Raises what kept it from being had.
    """
    asked = options.networking
    publishes = asked is not None and asked.publishes
    named = options.network or (asked is not None and asked.networks)
    if options.network != DEFAULT and (named or not publishes):
        return options
    try:
        return options.replace(network=_default(store))
    except (Unavailable, Denied) as error:
        if publishes:
            raise
        store.emit(Warned(f"the container has no network: {_in_one_line(error)}"))
        return options.replace(network=NONE)


def _default(store: Store) -> str:
    if rung() != ROOT:
        from cowl.container.networks.programs import default_program

        return default_program()
    from cowl.container.networks import bridge, ground

    ground.ready(store, bridge.default_network(store))
    return BRIDGE


def _in_one_line(error: CowlError) -> str:
    hint = getattr(error, "hint", "")
    return f"{error.message}; {hint}" if hint else error.message
