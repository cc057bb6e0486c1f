"""What a container's networks leave outside the store's directory, given back; see `surroundings`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.store import Store


def release(store: Store, container: str) -> None:
    """Withdraws its published ports."""
    if store.networks.ports(container):
        store.networks.withdraw(container)


def sweep(store: Store) -> None:
    """The same for containers that are gone or have ended unseen."""
    for container in {port.container for port in store.networks.left_ports()}:
        release(store, container)
