"""Ways to have a network, and which module knows how one is set up. "none" and "host" need nobody.

A module of this table has `prepare(store, record, settings)`, which gives a Connection.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from cowl.container.options import Settings
    from cowl.store.container_record import ContainerRecord
    from cowl.store.store import Store

    class Connection(Protocol):
        """A container's network while it starts.

        What it has taken by then, such as an address, `surroundings.release` gives back: at the
        container's end, and when it can't be started.
        """

        @property
        def address(self) -> str:
            """The container's own, as its /etc/hosts says it; "" if it is known by 127.0.0.1."""

        @property
        def names(self) -> tuple[tuple[str, str], ...]:
            """(address, names) of others on its networks, a line each of its /etc/hosts."""

        @property
        def gateway(self) -> str:
            """The host's address as the container reaches it: "host-gateway"; "" if it doesn't."""

        @property
        def forwarder(self) -> str:
            """An address in the network that answers for name servers on the host's loopback; "" for none."""

        def join(self, pid: int) -> None:
            """Sets it up, in the starter; `pid` has its namespaces and waits. See Runtime.start."""


DEFAULT, NONE, HOST, BRIDGE = "default", "none", "host", "bridge"
_BARE = (NONE, HOST)
_JOINED = "container:"  # in another's, which has been set up
_BRIDGED = "bridge"  # the module of root's networks


def is_bare(network: str) -> bool:
    """Whether a container in it needs nothing from anybody."""
    return network in _BARE or network.startswith(_JOINED)


def is_bridged(network: str) -> bool:
    """Whether it is the bridge that all share, or a network that somebody made."""
    return not is_bare(network) and _module(network) == _BRIDGED


def prepare(store: Store, record: ContainerRecord, settings: Settings) -> Connection | None:
    """What is to be known before the container is made; None where there is nothing to do.

    Raises what the network's module does.
    """
    if is_bare(settings.network):
        return None
    module = import_module(f"cowl.container.networks.{_module(settings.network)}")
    connection: Connection = module.prepare(store, record, settings)
    return connection


def _module(network: str) -> str:
    """What is no word of its own is a network's name."""
    return _MODULES.get(network.partition(":")[0], _BRIDGED)


_MODULES: dict[str, str] = {"pasta": "user_mode", "slirp4netns": "user_mode"}
