"""What a container has outside the store's directory, and who gives it back.

Each kind has a module with two calls:

    release(store, container_id)  gives back what that container has; nothing is fine
    sweep(store)                  the same for all that run no more and whose end nobody saw

Who records an end calls `release` first, while the row is there and still its own. After a crash of
everybody the next command finds owners that have died (`Store.recover`), and calls `sweep`.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cowl.store.container_record import ContainerRecord
    from cowl.store.store import Store


def release(store: Store, record: ContainerRecord) -> None:
    """Gives back what the container has, when its last process has ended. Idempotent."""
    for module in _kinds(record.settings):
        import_module(module).release(store, record.id)


def sweep(store: Store) -> None:
    """Gives back what crashes left. Idempotent; live containers are not disturbed."""
    for module in _ALL:
        import_module(module).sweep(store)


def _kinds(settings: Mapping[str, Any]) -> list[str]:
    """The modules that such a container has something to do with; nothing is loaded to tell."""
    kinds = []
    network = settings.get("network", "none")
    if network in ("pasta", "slirp4netns"):
        kinds.append(_USER_NETWORKS)
    elif network not in ("none", "host") and not network.startswith("container:"):
        kinds.append(_NETWORKS)
    return kinds


_NETWORKS = "cowl.container.networks.traces"
_USER_NETWORKS = "cowl.container.networks.user_traces"
_ALL = (_USER_NETWORKS, _NETWORKS)
