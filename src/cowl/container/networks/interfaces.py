"""The networks of a container as they are now: its interface on each, and its ports on the host."""

from __future__ import annotations

from cowl.container.networks.modes import is_bare, is_bridged
from cowl.container.ports import PublishedPort
from cowl.store.container_record import ACTIVE
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.options import Settings
    from cowl.store.container_record import ContainerRecord
    from cowl.store.store import Store


class Interface(Value):
    """A container on one network.

    address, gateway, prefix  IPv4, "" and 0 while it does not run or has none of its own
    """

    network: str
    network_id: str = ""
    address: str = ""
    prefix: int = 0
    gateway: str = ""
    aliases: tuple[str, ...] = ()


def interfaces(store: Store, record: ContainerRecord, settings: Settings) -> tuple[Interface, ...]:
    """One a network, the main one first."""
    if is_bridged(settings.network):
        return _of_bridges(store, record)
    if is_bare(settings.network) or settings.network.startswith("container:"):
        return (Interface(settings.network),)
    if record.state not in ACTIVE:
        return (Interface(settings.network),)
    from cowl.container.networks.user_mode import ADDRESS, GATEWAY, PREFIX

    return (Interface(settings.network, "", ADDRESS, PREFIX, GATEWAY),)


def _of_bridges(store: Store, record: ContainerRecord) -> tuple[Interface, ...]:
    from cowl.linux.ipv4 import Subnet

    networks = {network.id: network for network in store.networks.list()}
    found = []
    for member in store.networks.memberships(record.id):
        network = networks.get(member.network)
        name = network.name if network else member.network
        if network is None or not member.active or record.state not in ACTIVE:
            found.append(Interface(name, member.network, aliases=member.aliases))
            continue
        prefix = Subnet.parse(network.subnet).prefix
        gateway = "" if network.internal else network.gateway
        found.append(Interface(name, network.id, member.address, prefix, gateway, member.aliases))
    return tuple(found)


def ports(store: Store, record: ContainerRecord, settings: Settings) -> tuple[PublishedPort, ...]:
    """The ports of the host that lead to it, by its own ports; none while it does not run."""
    if record.state not in ACTIVE or settings.networking is None or not settings.networking.publishes:
        return ()
    return tuple(
        PublishedPort(row.container_port, row.protocol, row.host_address, row.host_port)
        for row in store.networks.ports(record.id)
    )
