"""Which network a container gets whose caller named none, or "default"."""

from __future__ import annotations

from cowl.container.networks.modes import BRIDGE, DEFAULT, HOST, NONE
from cowl.container.networks.programs import default_program, find_program
from cowl.errors import CowlError, Denied, Unavailable
from cowl.events import Warned
from cowl.linux.nft import NftMissing
from cowl.linux.probe import rung
from cowl.linux.rung import ROOT
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.options import RunOptions
    from cowl.store.store import Store


class NetworkDefault(Value):
    """The network of containers whose caller names none on the command line, or publishes ports.

    name     "bridge", "pasta", "slirp4netns" or "none"
    blocker  for "none": why it is no better, and what brings it
    """

    name: str
    blocker: str = ""


def with_network(store: Store, options: RunOptions) -> RunOptions:
    """The options with a network that is there for this user, where the default one was asked for.

    Who publishes ports without a network asks for it too. When it can't be had, and nobody said that it
    must be, there is none, and an event says why. Raises what kept it from being had.
    """
    asked = options.networking
    publishes = asked is not None and asked.publishes
    if publishes and options.network == HOST:
        store.emit(Warned("Published ports are discarded when using host network mode"))
        return options
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


def look() -> NetworkDefault:
    """What the default is for this user here. Nothing is made."""
    try:
        if rung() != ROOT:
            return NetworkDefault(default_program())
        if not find_program("nft"):
            raise NftMissing
        return NetworkDefault(BRIDGE)
    except (Unavailable, Denied) as error:
        return NetworkDefault(NONE, _in_one_line(error))


def _default(store: Store) -> str:
    if rung() != ROOT:
        return default_program()
    from cowl.container.networks import bridge, ground

    ground.ready(store, bridge.default_network(store))
    return BRIDGE


def _in_one_line(error: CowlError) -> str:
    hint = getattr(error, "hint", "")
    return f"{error.message}; {hint}" if hint else error.message
