"""What the host has of a network: a bridge, its address, the rules of the store's table.

Made at first use and left in place. All of it can be told from the store's rows and its directory's path, so
that whatever somebody takes away is put back by the next start.
"""

from __future__ import annotations

import os
from binascii import crc32

from cowl.container.networks.pools import choose
from cowl.container.networks.rules import BRIDGE_PREFIX, Ground, Lead, remove_table, whole_table
from cowl.container.networks.turn import Turn
from cowl.errors import Conflict, Denied, Unavailable
from cowl.linux import nft
from cowl.linux.ipv4 import Subnet, number, text
from cowl.linux.links import Links
from cowl.linux.probe import rung
from cowl.linux.routes import default_device, subnets
from cowl.linux.rung import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.linux.links import Link
    from cowl.store.network_record import Member, NetworkRecord
    from cowl.store.store import Store

DEFAULT = "bridge"  # the network that has no name of a user's choice, as Docker calls it
MTU_OPTION = "com.docker.network.driver.mtu"
_SYSTEM_ROOT = "/var/lib/cowl"
_FALLBACK_MTU = 1500
_FORWARD = "/proc/sys/net/ipv4/ip_forward"


class SubnetTaken(Conflict):
    """A route or address of the host, or a network, has addresses of its subnet. Fields as named."""

    def __init__(self, network: str, subnet: str, other: str) -> None:
        super().__init__(
            f"Pool overlaps with other one on this address space: {subnet} of network {network} and {other}",
            hint="choose another one with --subnet; `ip route` shows what the host uses",
        )
        self.network = network
        self.subnet = subnet
        self.other = other


class RootNetworks(Denied):
    """Networks of cowl's own are for root."""

    def __init__(self) -> None:
        super().__init__(
            "bridges and networks of one's own need root: they are interfaces and rules of the host",
            hint="an ordinary user's containers have a network each, by pasta or slirp4netns",
        )


def check_root() -> None:
    """Raises RootNetworks."""
    if rung() != ROOT:
        raise RootNetworks


class NoBridge(Unavailable):
    """The kernel does not give us a bridge, or a cable to one. Field: network."""

    def __init__(self, network: str, error: OSError) -> None:
        super().__init__(
            f"network {network} can't be set up: {error.strerror or error}",
            hint="it takes root with CAP_NET_ADMIN and a kernel with bridge and veth (modprobe bridge veth);"
            " --network none and --network host do without",
        )
        self.network = network


class NoForwarding(Denied):
    """The host does not route, and may not be told to."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"the host does not forward packets (net.ipv4.ip_forward is 0), and it can't be changed:"
            f" {error.strerror}",
            hint="have it set: sysctl -w net.ipv4.ip_forward=1",
        )


def bridge_name(root: str, network: NetworkRecord) -> str:
    """The interface of a network; no two stores have the same."""
    place = os.path.realpath(root)
    if network.name == DEFAULT:
        return f"{BRIDGE_PREFIX}0" if place == _SYSTEM_ROOT else f"{BRIDGE_PREFIX}-{_mark(place)}"
    return f"{BRIDGE_PREFIX}-{_mark(place + network.id)}"


def table_name(root: str) -> str:
    """The nftables table of a store."""
    return f"cowl_{_mark(os.path.realpath(root))}"


def _mark(words: str) -> str:
    return f"{crc32(os.fsencode(words)):08x}"


def find(store: Store, network: NetworkRecord, links: Links) -> Link | None:
    """The bridge, if all that a network needs is there. Costs 0.1 ms."""
    link = links.find(bridge_name(store.root, network))
    return link if link and link.up and nft.has_table(table_name(store.root)) else None


def ready(store: Store, network: NetworkRecord) -> Link:
    """The bridge of a network, with all that belongs to it; it is made if need be.

    Raises NftMissing, NftFailed, NoBridge, NoForwarding, SubnetTaken.
    """
    try:
        with Links() as links:
            link = find(store, network, links)
        if link is not None:
            return link
        with Turn():
            link = make(store, network)
    except OSError as error:
        raise NoBridge(network.name, error) from error
    tell_blocks(store, network)
    return link


def make(store: Store, network: NetworkRecord) -> Link:
    """What `ready` does about one that is not there. The caller has the Turn. Raises OSError too."""
    nft.find_nft()
    with Links() as links:
        if links.find(bridge_name(store.root, network)) is None:
            network = _placed(store, network)
        apply_rules(store)
        return _bridge(store, network, links)


def _placed(store: Store, network: NetworkRecord) -> NetworkRecord:
    """Where nobody else is: the default network moves if it has to, as long as nobody is on it."""
    own = Subnet.parse(network.subnet)
    other = next((each for each in subnets() if own.overlaps(each)), None)
    if other is None:
        return network
    if network.name != DEFAULT or any(member.address for member in _active(store, network)):
        raise SubnetTaken(network.name, network.subnet, f"{other} of the host")
    chosen = choose(addresses_taken(store))
    return store.networks.move(network, str(chosen), text(chosen.base + 1))


def _active(store: Store, network: NetworkRecord) -> list[Member]:
    return [member for member in store.networks.members(network.id) if member.active]


def _bridge(store: Store, network: NetworkRecord, links: Links) -> Link:
    """Half-made ones are made again: what is up is whole."""
    name = bridge_name(store.root, network)
    found = links.find(name)
    if found and found.up:
        return found
    if found:
        links.delete(name)
    _forward(network)
    links.add_bridge(name, mac=b"\x02\x42" + os.urandom(4))
    made = links.find(name)
    assert made is not None
    mtu = _mtu(network, links)
    links.set_mtu(made.index, mtu)
    gateway = number(network.gateway).to_bytes(4, "big")
    links.add_address(made.index, gateway, Subnet.parse(network.subnet).prefix)
    # Containers answer to 127.0.0.1 of the host; see rules.py for who may not make use of it.
    _write(f"/proc/sys/net/ipv4/conf/{name}/route_localnet", "1")
    quiet(name)
    links.raise_up(made.index)
    return made.replace(up=True, mtu=mtu)


def quiet(name: str) -> None:
    """No IPv6 on an interface: nobody asked for it, and a neighbour could make itself a router by it."""
    path = f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6"
    if os.path.exists(path):
        _write(path, "1")


def _write(path: str, value: str) -> None:
    with open(path, "w") as file:
        file.write(value)


def _forward(network: NetworkRecord) -> None:
    with open(_FORWARD) as file:
        if network.internal or file.read().strip() != "0":
            return
    try:
        _write(_FORWARD, "1")
    except OSError as error:
        raise NoForwarding(error) from error


def _mtu(network: NetworkRecord, links: Links) -> int:
    """As asked; else as large as the way out takes."""
    asked = dict(network.options).get(MTU_OPTION, "")
    if asked:
        return int(asked)
    device = default_device()
    link = links.find(device) if device else None
    return link.mtu if link else _FALLBACK_MTU


def apply_rules(store: Store, without: frozenset[str] = frozenset()) -> None:
    """Makes the store's table what its rows say, but for the ports of some containers.

    The caller has the Turn. Raises NftMissing, NftFailed.
    """
    networks = store.networks.list()
    name = table_name(store.root)
    if not networks:
        nft.apply(remove_table(name), "removing a store's table")
        return
    grounds = [Ground(bridge_name(store.root, each), each.subnet, each.internal) for each in networks]
    nft.apply(whole_table(name, grounds, _leads(store, without)), "writing a store's table")


def _leads(store: Store, without: frozenset[str]) -> list[Lead]:
    leads = []
    for port in store.networks.all_ports():
        address = published_address(store, port.container)
        if address and port.container not in without:
            leads.append(Lead(port.protocol, port.host_address, port.host_port, address, port.container_port))
    return leads


def published_address(store: Store, container: str) -> str:
    """Where a container's published ports lead to: its first network that has an outside. "" for nowhere."""
    internal = {network.id for network in store.networks.list() if network.internal}
    for member in store.networks.memberships(container):
        if member.active and member.network not in internal and member.address:
            return member.address
    return ""


def remove(store: Store, network: NetworkRecord) -> None:
    """Takes a network whose row is gone off the host. Raises NoBridge, NftMissing, NftFailed."""
    with Turn():
        try:
            with Links() as links:
                links.delete(bridge_name(store.root, network))
        except OSError as error:
            raise NoBridge(network.name, error) from error
        if nft.has_table(table_name(store.root)):
            apply_rules(store)


def rest(store: Store) -> None:
    """Takes the default network off the host while no container makes use of it; the next one brings it back.

    Raises NoBridge, NftMissing, NftFailed.
    """
    with Turn():
        network = store.networks.named(DEFAULT)
        if network is None or _active(store, network):
            return
        try:
            with Links() as links:
                links.delete(bridge_name(store.root, network))
        except OSError as error:
            raise NoBridge(network.name, error) from error
        name = table_name(store.root)
        if len(store.networks.list()) == 1 and nft.has_table(name):
            nft.apply(remove_table(name), "removing a store's table")


def tell_blocks(store: Store, network: NetworkRecord) -> None:
    """Says who else on this machine drops what containers send: rules of ours can't change that."""
    if network.internal:
        return
    import json

    from cowl.events import Warned

    found = json.loads(nft.list_chains()).get("nftables", [])
    for chain in (item["chain"] for item in found if "chain" in item):
        forwards = chain.get("hook") == "forward" and chain.get("policy") == "drop"
        if forwards and chain["family"] in ("ip", "inet"):
            place = f"{chain['family']} {chain['table']} {chain['name']}"
            store.emit(
                Warned(
                    f"the nftables chain {place} of somebody else drops what is forwarded: containers may"
                    " reach nothing until it lets their bridges through (with Docker on the machine:"
                    f" iptables -I DOCKER-USER -i {BRIDGE_PREFIX}+ -j ACCEPT, and the same with -o)"
                )
            )


def addresses_taken(store: Store) -> list[Subnet]:
    """What no new network may overlap with: the host's routes and addresses, and our own networks."""
    own = [Subnet.parse(network.subnet) for network in store.networks.list()]
    return [*subnets(), *own]
