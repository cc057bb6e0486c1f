"""Networks as users see them."""

from __future__ import annotations

from cowl.container.attrs import rfc3339
from cowl.container.networks import bridge, creation, ground
from cowl.errors import Denied
from cowl.linux.ipv4 import Subnet, number
from cowl.linux.probe import rung
from cowl.linux.rung import ROOT
from cowl.store.network_record import NetworkInUse, NetworkRecord, NoSuchNetwork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from cowl.container.lifecycle import Containers
    from cowl.store.network_record import Member
    from cowl.store.store import Store

# The two that every machine has: names, and IDs that were made up once.
_HOST = NetworkRecord("5a3c1f0e8d7b46929e0f7c2a1b8d6e4f39075c8a2e1d4b6f8091a3c5d7e9f2b4", "host", "", "")
_NONE = NetworkRecord("e7d09b5f2c4a4183b6f15d8e0a7c92463f8b1d5e7a904c6db2f8e06a4c1d3597", "none", "", "")
_DRIVERS = {"host": "host", "none": "null"}


class PredefinedNetwork(Denied):
    """The network is not a user's to remove. Field: name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is a pre-defined network and cannot be removed")
        self.name = name


class Network:
    """A network. A handle, as of the last look at the store.

    Made by `Engine.create_network`, `Engine.network` and `Engine.networks`.
    """

    def __init__(self, service: Containers, record: NetworkRecord) -> None:
        self._service = service
        self._record = record

    @property
    def id(self) -> str:
        """64 hex digits."""
        return self._record.id

    @property
    def name(self) -> str:
        """As given."""
        return self._record.name

    @property
    def driver(self) -> str:
        """ "bridge", "host" or "null"."""
        return _DRIVERS.get(self.name, "bridge")

    @property
    def predefined(self) -> bool:
        """Whether it is there without anybody having made it."""
        return self.name in creation.FIXED

    @property
    def subnet(self) -> str:
        """ "172.18.0.0/16"; "" for those of the host."""
        return self._record.subnet

    @property
    def gateway(self) -> str:
        """The host's address in it, likewise."""
        return self._record.gateway

    @property
    def internal(self) -> bool:
        """Whether nothing outside can be reached from it."""
        return self._record.internal

    @property
    def labels(self) -> dict[str, str]:
        """Those that it was created with."""
        return dict(self._record.labels)

    @property
    def options(self) -> dict[str, str]:
        """Likewise."""
        return dict(self._record.options)

    @property
    def created_at(self) -> float:
        """Seconds since the epoch; 0 for those that nobody created."""
        return self._record.created_at

    @property
    def addresses(self) -> dict[str, str]:
        """The IPv4 address of every container on it that runs, by name, as of now."""
        return {member.name: member.address for member in self._active()}

    @property
    def containers(self) -> tuple[str, ...]:
        """IDs of the containers that are on it, running or not, as of now."""
        return tuple(member.container for member in self._service.store.networks.members(self.id))

    def connect(self, container: str, *, aliases: Sequence[str] = (), ip: str = "") -> None:
        """Puts a container on it, also one that runs; it keeps its other networks.

        container  a name, an ID or the beginning of one
        aliases    more names by which the others on the network find it; ip: the address that it gets
        Raises AlreadyConnected, AddressTaken, AddressUnfit, AddressesExhausted, NotFound, and InvalidOptions
        for a container whose network is the host's, another container's, or none.
        """
        from cowl.container.networks.membership import connect

        connect(self._service, self._checked(), container, aliases, ip)

    def disconnect(self, container: str, *, force: bool = False) -> None:
        """Takes a container off it, also one that runs.

        With `force` one that is not on it, or not there at all, is no error. Raises NotConnected, NotFound.
        """
        from cowl.container.networks.membership import disconnect

        disconnect(self._service, self._checked(), container, force=force)

    def remove(self) -> None:
        """Deletes it. Raises NetworkInUse while a container on it runs, PredefinedNetwork, NotFound."""
        if self.predefined:
            raise PredefinedNetwork(self.name)
        ground.check_root()
        store = self._service.store
        store.networks.remove(self._record)
        ground.remove(store, self._record)

    def attrs(self) -> dict[str, Any]:
        """The JSON value of `docker network inspect`."""
        record = self._record
        pool = {"IPRange": record.ip_range} if record.ip_range else {}
        config = [{"Subnet": record.subnet, **pool, "Gateway": record.gateway}] if record.subnet else []
        return {
            "Name": self.name,
            "Id": self.id,
            "Created": rfc3339(self.created_at),
            "Scope": "local",
            "Driver": self.driver,
            "EnableIPv6": False,
            "IPAM": {"Driver": "default", "Options": None, "Config": config},
            "Internal": self.internal,
            "Attachable": False,
            "Ingress": False,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": False,
            "Containers": {member.container: self._endpoint(member) for member in self._active()},
            "Options": self._all_options(),
            "Labels": self.labels,
        }

    def _all_options(self) -> dict[str, str]:
        """With the name of the bridge, by which it is found among the host's interfaces."""
        if self.driver != "bridge":
            return {}
        bridge_name = ground.bridge_name(self._service.store.root, self._record)
        return {"com.docker.network.bridge.name": bridge_name, **self.options}

    def _endpoint(self, member: Member) -> dict[str, str]:
        return {
            "Name": member.name,
            "MacAddress": mac_text(member.address),
            "IPv4Address": f"{member.address}/{Subnet.parse(self.subnet).prefix}",
            "IPv6Address": "",
        }

    def _active(self) -> list[Member]:
        members = self._service.store.networks.members(self.id)
        return [member for member in members if member.active and member.address and member.link]

    def _checked(self) -> NetworkRecord:
        if self.driver != "bridge":
            raise PredefinedMode(self.name)
        return self._record

    def __repr__(self) -> str:
        return f"<Network {self.name} {self.id[:12]}>"


class PredefinedMode(Denied):
    """A container can't come to the host's network, or to none, once it is made. Field: name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a container can't be connected to or disconnected from the network {name}")
        self.name = name


def mac_text(address: str) -> str:
    """The hardware address of an interface with that IPv4 address."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in number(address).to_bytes(4, "big"))


def list_networks(service: Containers) -> list[Network]:
    """See Engine.networks."""
    records = [*_own(service.store), _HOST, _NONE]
    return [Network(service, record) for record in sorted(records, key=lambda record: record.name)]


def find_network(service: Containers, text: str) -> Network:
    """See Engine.network."""
    for record in (_HOST, _NONE):
        if text in (record.name, record.id):
            return Network(service, record)
    if rung() != ROOT:
        raise NoSuchNetwork(text)
    return Network(service, bridge.find(service.store, text))


def _own(store: Store) -> tuple[NetworkRecord, ...]:
    """With the default one, which there is for root as soon as somebody looks."""
    if rung() != ROOT:
        return ()
    bridge.default_network(store)
    return store.networks.list()


def prune(service: Containers, keep: Callable[[Network], bool] | None) -> list[str]:
    """See Engine.prune_networks."""
    if rung() != ROOT:
        return []
    gone = []
    for network in list_networks(service):
        if network.predefined or network.containers or (keep is not None and keep(network)):
            continue
        try:
            network.remove()
        except NetworkInUse:
            continue  # a container came to it just now
        gone.append(network.name)
    ground.rest(service.store)
    return gone
