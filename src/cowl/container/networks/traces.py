"""What a container's networks leave outside the store's directory, given back; see `surroundings`.

The cable goes by itself when the container's namespace does, and the address is free when its row has no
owner any more. What is left are published ports, and its names in others' files. What can't be done now, as
nft has been taken away meanwhile, is made good by the next change: the rules are written from rows.
"""

from __future__ import annotations

from cowl.container.networks import ground, names
from cowl.container.networks.turn import Turn
from cowl.errors import CowlError
from cowl.linux import nft
from cowl.linux.probe import rung
from cowl.linux.rung import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl.store.store import Store


def release(store: Store, container: str) -> None:
    """Withdraws its ports and its names."""
    if store.networks.ports(container):
        withdraw(store, [container])
    try:
        names.depart(store, container)
    except OSError:
        pass  # a file that can't be written has names that nobody answers to


def sweep(store: Store) -> None:
    """The same for containers that are gone or have ended unseen."""
    left = {port.container for port in store.networks.left_ports()}
    if left:
        withdraw(store, left)
    own = [network.id for network in store.networks.list() if network.name != ground.DEFAULT]
    try:
        if own:
            names.refresh(store, own)
    except OSError:
        pass


def withdraw(store: Store, containers: Iterable[str]) -> None:
    """Nothing leads to these containers any more, and nothing says so."""
    gone = frozenset(containers)
    if rung() != ROOT:
        _strike(store, gone)
        return
    with Turn():
        try:
            if nft.has_table(ground.table_name(store.root)):
                ground.apply_rules(store, without=gone)
        except (CowlError, OSError):
            pass
        _strike(store, gone)


def _strike(store: Store, containers: Iterable[str]) -> None:
    for container in containers:
        store.networks.withdraw(container)
