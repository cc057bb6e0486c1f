"""Names on a network: each member's /etc/hosts has all members' names, as long as they have a process.

There is no daemon that could answer questions. So whoever comes, goes or is renamed has the files of the
others rewritten, in place. The default network has no names, as Docker's.
"""

from __future__ import annotations

from cowl.container.networks.ground import DEFAULT
from cowl.container.networks.turn import Turn
from cowl.runtime.netfiles import rewrite_block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl.store.network_record import Member
    from cowl.store.store import Store

    Lines = tuple[tuple[str, str], ...]

_SHORT = 12  # digits of an ID


def lines_for(store: Store, container: str, without: str = "") -> Lines:
    """(address, names) of everybody on its networks who has a process, itself too.

    without  the ID of one who is just leaving
    """
    found = []
    for mine in store.networks.memberships(container):
        if _has_names(store, mine.network):
            members = [
                member for member in store.networks.members(mine.network) if member.container != without
            ]
            found += [_line(member) for member in members if member.active and member.address]
    return tuple(dict.fromkeys(found))


def refresh(store: Store, networks: Iterable[str], without: str = "") -> None:
    """Rewrites the files of everybody on the networks of these IDs. Raises OSError.

    One at a time on this machine: what is written last was read last.
    """
    with Turn():
        members = [member for network in networks for member in store.networks.members(network)]
        for container in dict.fromkeys(member.container for member in members if member.active):
            if container != without:
                path = f"{store.directory.container(container)}/hosts"
                rewrite_block(path, lines_for(store, container, without))


def refresh_own(store: Store, container: str) -> None:
    """The same for the file of one container alone."""
    with Turn():
        rewrite_block(f"{store.directory.container(container)}/hosts", lines_for(store, container))


def refresh_for(store: Store, container: str, without: str = "") -> None:
    """The same for all networks that a container is on and that have names."""
    networks = [mine.network for mine in store.networks.memberships(container)]
    named = [network for network in networks if _has_names(store, network)]
    if named:
        refresh(store, named, without)


def _has_names(store: Store, network: str) -> bool:
    return any(each.id == network and each.name != DEFAULT for each in store.networks.list())


def _line(member: Member) -> tuple[str, str]:
    return member.address, " ".join(dict.fromkeys((member.name, *member.aliases, member.container[:_SHORT])))
