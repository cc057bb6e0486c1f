"""What a container's user-mode network leaves outside the store's directory; see `surroundings`.

Its program ends by itself when the container does. What is left are the rows of published ports.
"""

from __future__ import annotations

from cowl.container.networks.porter import await_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.store import Store


def release(store: Store, container: str) -> None:
    """Withdraws its ports, once nobody listens on them."""
    await_end(store.directory.container(container))
    if store.networks.ports(container):
        store.networks.withdraw(container)


def sweep(store: Store) -> None:
    """The same for containers that are gone or have ended unseen."""
    for container in {port.container for port in store.networks.left_ports()}:
        if _is_user_mode(store, container):
            release(store, container)


def _is_user_mode(store: Store, container: str) -> bool:
    from cowl.errors import NotFound

    try:
        return store.containers.get(container).settings.get("network") in ("pasta", "slirp4netns")
    except NotFound:
        return False  # its rows are seen to by whoever sweeps for bridges
