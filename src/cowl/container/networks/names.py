"""Names on a network: each member's /etc/hosts has all members' names, as long as they have a process.

There is no daemon that could answer questions. So whoever comes, goes or is renamed has the files of the
others rewritten, in place, one writer at a time. The default network has no names, as Docker's.

It is noted whom the files have been written for. Whoever waited for his turn meanwhile may find that another
has seen to him: of two hundred that start at once few write two hundred files.
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


class Directory:
    """Who is on the networks that have names, as of now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        named = {network.id for network in store.networks.list() if network.name != DEFAULT}
        self._networks: dict[str, list[Member]] = {}
        self._containers: dict[str, list[str]] = {}
        for member in store.networks.present():
            if member.network in named:
                self._networks.setdefault(member.network, []).append(member)
                self._containers.setdefault(member.container, []).append(member.network)
        self._lines = {network: tuple(map(_line, members)) for network, members in self._networks.items()}

    def lines_for(self, container: str) -> Lines:
        """(address, names) of everybody on its networks, itself too."""
        networks = self._containers.get(container, ())
        return tuple(dict.fromkeys(line for network in networks for line in self._lines[network]))

    def write(self, networks: Iterable[str]) -> None:
        """Rewrites the files of everybody on these networks, and notes for whom. Raises OSError."""
        for network in networks:
            members = self._networks.get(network, [])
            for member in members:
                self.write_one(member.container)
            self._store.networks.announce(network, [member.link for member in members])

    def write_one(self, container: str) -> None:
        """Rewrites the file of one."""
        path = f"{self._store.directory.container(container)}/hosts"
        rewrite_block(path, self.lines_for(container))


def arrive(store: Store, members: Iterable[Member]) -> None:
    """Tells the others of a container that has just got its addresses as these members. Raises OSError."""
    with Turn():
        found = Directory(store)
        for member in members:
            if member.link not in store.networks.announced(member.network):
                found.write([member.network])
            found.write_one(member.container)


def depart(store: Store, container: str) -> None:
    """Tells the others of a container that is about to end. Raises OSError."""
    default = store.networks.named(DEFAULT)
    mine = [each for each in store.networks.memberships(container) if each.link]
    named = [each for each in mine if default is None or each.network != default.id]
    if not named:
        return
    store.networks.unlink(container)
    with Turn():
        found = Directory(store)
        found.write(each.network for each in named if each.link in store.networks.announced(each.network))


def refresh(store: Store, networks: Iterable[str], container: str = "") -> None:
    """Rewrites the files of everybody on these networks, and of one container more. Raises OSError."""
    with Turn():
        found = Directory(store)
        found.write(networks)
        if container:
            found.write_one(container)


def _line(member: Member) -> tuple[str, str]:
    return member.address, " ".join(dict.fromkeys((member.name, *member.aliases, member.container[:_SHORT])))
