"""Records of networks, of who is on them, and of published ports; what can be wrong with those asked for."""

from __future__ import annotations

from cowl.errors import Conflict, Invalid, NotFound, Unavailable
from cowl.store.names import check_name
from cowl.value import Value

ANY_ADDRESS = "0.0.0.0"  # every address of the host


class NetworkRecord(Value):
    """A network of cowl's own, as the store holds it.

    subnet    "10.1.0.0/16"; gateway: the host's address in it
    ip_range  where addresses are taken from, "" for all of the subnet
    internal  nothing outside can be reached
    """

    id: str
    name: str
    subnet: str
    gateway: str
    ip_range: str = ""
    internal: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    created_at: float = 0.0


class Membership(Value):
    """What a container wants of a network: `network` is an ID, `wanted` an address or ""."""

    network: str
    aliases: tuple[str, ...] = ()
    wanted: str = ""


class Member(Value):
    """A container on a network.

    position  of this network among those of the container, from 0: its interface is "eth<position>"
    address   its own while it has a process; link: the host's end of its cable, "" when it is cut
    active    whether it has a process, or is just being started
    """

    container: str
    name: str
    network: str
    position: int
    aliases: tuple[str, ...]
    wanted: str
    address: str
    link: str
    active: bool


class PublishedPort(Value):
    """A port of the host that leads to a container's. `host_address` 0.0.0.0 is every address."""

    protocol: str
    host_address: str
    host_port: int
    container: str
    container_port: int


class NoSuchNetwork(NotFound):
    """No network goes by that name or ID. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(f"network {text} not found", hint="`cowl network ls` shows those that there are")
        self.text = text


class AmbiguousNetworkId(Invalid):
    """The beginning of an ID that several networks have. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(f"network {text} is ambiguous: several IDs begin like that")
        self.text = text


class NetworkNameInUse(Conflict):
    """Another network has the name. Field: name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"network with name {name} already exists")
        self.name = name


class NetworkInUse(Conflict):
    """Running containers are on it. Fields: name, containers (names)."""

    def __init__(self, name: str, identity: str, containers: tuple[str, ...]) -> None:
        super().__init__(
            f"error while removing network: network {name} id {identity} has active endpoints: "
            + ", ".join(containers),
            hint="stop these containers, or take them off with `cowl network disconnect`",
        )
        self.name = name
        self.containers = containers


class AlreadyConnected(Conflict):
    """The container is on that network already. Fields: container, network."""

    def __init__(self, container: str, network: str) -> None:
        super().__init__(f"endpoint with name {container[:12]} already exists in network {network}")
        self.container = container
        self.network = network


class NotConnected(NotFound):
    """The container is not on that network. Fields: container, network."""

    def __init__(self, container: str, network: str) -> None:
        super().__init__(f"container {container[:12]} is not connected to network {network}")
        self.container = container
        self.network = network


class InvalidNetworkName(Invalid):
    """A network can't be called that. Field: name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"invalid network name: {name!r}, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
            hint="it takes two characters at least, the first a letter or digit",
        )
        self.name = name


def check_network_name(name: str) -> str:
    """The name. Raises InvalidNetworkName."""
    try:
        found = check_name(name)
    except Invalid:
        found = ""
    if found != name or not name:
        raise InvalidNetworkName(name)
    return name


class AddressesExhausted(Unavailable):
    """Every address of a network is taken. Field: network."""

    def __init__(self, network: str, pool: str) -> None:
        super().__init__(f"no available IPv4 addresses on network {network}: all of {pool} are taken")
        self.network = network


class AddressTaken(Conflict):
    """A running container has the address. Fields: address, network."""

    def __init__(self, address: str, network: str, container: str) -> None:
        super().__init__(f"Address already in use: {address} of network {network} is {container}'s")
        self.address = address
        self.network = network


class AddressUnfit(Invalid):
    """The address can't be one of a container on that network. Fields: address, network."""

    def __init__(self, address: str, network: str, subnet: str) -> None:
        super().__init__(
            f"invalid address {address}: it does not belong to network {network}, or is not for containers",
            hint=f"the subnet is {subnet}",
        )
        self.address = address
        self.network = network


class PortTaken(Conflict):
    """Somebody has that port of the host. Fields: host_address, host_port, holder (a name, or "")."""

    def __init__(self, host_address: str, host_port: int, holder: str) -> None:
        who = f"container {holder} has it" if holder else "a process of this machine listens on it"
        super().__init__(
            f"Bind for {host_address}:{host_port} failed: port is already allocated",
            hint=f"{who}; publish another one",
        )
        self.host_address = host_address
        self.host_port = host_port
        self.holder = holder
