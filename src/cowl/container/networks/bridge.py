"""The network mode of root: a cable from the container to the bridge of each of its networks."""

from __future__ import annotations

import os

from cowl.container.networks import ground, names, pools
from cowl.container.networks.turn import Turn
from cowl.linux.ipv4 import Subnet, number, text
from cowl.linux.links import Links, inside, open_network
from cowl.store.network_record import Membership, NetworkNameInUse, NetworkRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.options import Settings
    from cowl.store.container_record import ContainerRecord
    from cowl.store.network_record import Member
    from cowl.store.store import Store


class BridgeConnection:
    """See modes.Connection."""

    def __init__(self, store: Store, container: str, settings: Settings) -> None:
        self._store = store
        self._taken = store.networks.take_addresses(container)
        self._publishes = settings.networking is not None and settings.networking.publishes
        if self._publishes:
            from cowl.container.networks.publishing import publish

            publish(store, container, settings)
        self.address = self._taken[0][1].address if self._taken else ""
        self._named = [member for network, member in self._taken if network.name != ground.DEFAULT]
        self.names: tuple[tuple[str, str], ...] = ()  # they are written when it joins
        outside = [network.gateway for network, _ in self._taken if not network.internal]
        self.gateway = outside[0] if outside else ""
        self.forwarder = ""

    def join(self, pid: int) -> None:
        """See modes.Connection."""
        namespace = open_network(pid)
        try:
            for network, member in self._taken:
                connect(self._store, network, member, namespace)
        finally:
            os.close(namespace)
        if self._publishes:
            with Turn():
                ground.apply_rules(self._store)
        if self._named:
            names.arrive(self._store, self._named)


def prepare(store: Store, record: ContainerRecord, settings: Settings) -> BridgeConnection:
    """Takes the container's addresses and ports.

    Raises NoSuchNetwork, AddressTaken, AddressUnfit, AddressesExhausted, and what `publish` does.
    """
    return BridgeConnection(store, record.id, settings)


def memberships(store: Store, settings: Settings) -> tuple[Membership, ...]:
    """What a new container with these settings wants of networks, which are there then.

    Raises NoSuchNetwork, RootNetworks, and what `ground.ready` does.
    """
    ground.check_root()
    if settings.networking is None:
        return (Membership(_ready(store, settings.network).id),)
    from cowl.container.networking import attachments

    return tuple(
        Membership(_ready(store, each.network).id, each.aliases, each.ip)
        for each in attachments(settings.network, settings.networking)
    )


def _ready(store: Store, name: str) -> NetworkRecord:
    network = find(store, name)
    ground.ready(store, network)
    return network


def find(store: Store, name: str) -> NetworkRecord:
    """A network by name or ID; the default one is there whenever somebody asks. Raises NoSuchNetwork."""
    return default_network(store) if name == ground.DEFAULT else store.networks.find(name)


def default_network(store: Store) -> NetworkRecord:
    """The one that containers are on which ask for none; it gets its row, and its subnet, at first use."""
    found = store.networks.named(ground.DEFAULT)
    if found is not None:
        return found
    with Turn():
        subnet = pools.choose(ground.addresses_taken(store))
        try:
            return store.networks.create(
                NetworkRecord("", ground.DEFAULT, str(subnet), text(subnet.base + 1))
            )
        except NetworkNameInUse:  # by another process, just now
            return store.networks.find(ground.DEFAULT)


def connect(store: Store, network: NetworkRecord, member: Member, namespace: int) -> None:
    """Lays the cable into a network namespace. Raises what `ground.ready` does, NoBridge."""
    bridge = ground.ready(store, network)
    address = number(member.address).to_bytes(4, "big")
    peer = f"eth{member.position}"
    try:
        inside(namespace, lambda: ground.quiet("default"))
        with Links() as links:
            mac = b"\x02\x42" + address
            links.add_veth(member.link, bridge.index, peer, namespace, mac=mac, mtu=bridge.mtu)
        ground.quiet(member.link)
        inside(namespace, lambda: _dress(peer, address, network))
    except OSError as error:
        raise ground.NoBridge(network.name, error) from error


def _dress(name: str, address: bytes, network: NetworkRecord) -> None:
    """In the container: its end of the cable gets an address, and is the way out if there is no other."""
    with Links() as links:
        link = links.find(name)
        assert link is not None
        links.add_address(link.index, address, Subnet.parse(network.subnet).prefix)
        links.raise_up(link.index)
        if not network.internal:
            links.add_default_route(link.index, _gateway(network))


def route_by(member: Member, network: NetworkRecord, namespace: int) -> None:
    """Makes a network of a running container its way out, if it has none. Raises NoBridge."""

    def add() -> None:
        with Links() as links:
            link = links.find(f"eth{member.position}")
            if link is not None:
                links.add_default_route(link.index, _gateway(network))

    try:
        inside(namespace, add)
    except OSError as error:
        raise ground.NoBridge(network.name, error) from error


def _gateway(network: NetworkRecord) -> bytes:
    return number(network.gateway).to_bytes(4, "big")
