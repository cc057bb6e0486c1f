"""What `inspect` says of a container's networks and ports: what was asked, and what it has come to."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.container.options import Settings
    from cowl.store.container_record import ContainerRecord
    from cowl.store.network_record import Member, NetworkRecord
    from cowl.store.store import Store

_RUNS = ("running", "paused")


def asked_attrs(settings: Settings) -> dict[str, Any]:
    """The part of HostConfig, by Docker's names."""
    from cowl.container.networking import Networking

    asked = settings.networking or Networking()
    bindings: dict[str, list[dict[str, str]]] = {}
    for each in asked.publications(()):
        port = str(each.host_first) if each.host_first else ""
        if each.host_last > each.host_first:
            port = f"{port}-{each.host_last}"
        bindings.setdefault(f"{each.port}/{each.protocol}", []).append(
            {"HostIp": each.address, "HostPort": port}
        )
    return {
        "PortBindings": bindings,
        "PublishAllPorts": asked.publish_all,
        "Dns": list(asked.dns) or None,
        "DnsOptions": list(asked.dns_options) or None,
        "DnsSearch": list(asked.dns_search) or None,
        "ExtraHosts": [f"{name}:{address}" for name, address in asked.add_host] or None,
    }


def network_settings(store: Store, record: ContainerRecord, settings: Settings) -> dict[str, Any]:
    """NetworkSettings: ports and addresses that it has now; none while it does not run."""
    runs = record.state in _RUNS
    members = store.networks.memberships(record.id)
    known = {network.id: network for network in store.networks.list()} if members else {}
    networks: dict[str, dict[str, Any]] = {
        known[member.network].name: _endpoint(known[member.network], member, runs=runs)
        for member in members
        if member.network in known
    }
    networks = networks or {settings.network: _of_its_own(store, record, settings)}
    first = next(iter(networks.values()))
    return {
        "SandboxKey": f"/proc/{record.process.pid}/ns/net" if runs and record.process else "",
        "Ports": _ports(store, record, settings) if runs else {},
        **{name: first.get(name, "") for name in ("Gateway", "IPAddress", "MacAddress")},
        "IPPrefixLen": first.get("IPPrefixLen", 0),
        "Networks": networks,
    }


def _ports(store: Store, record: ContainerRecord, settings: Settings) -> dict[str, Any]:
    """Every exposed port, None where the host does not answer on it."""
    found: dict[str, Any] = dict.fromkeys(settings.exposed)
    for port in store.networks.ports(record.id):
        bound = {"HostIp": port.host_address, "HostPort": str(port.host_port)}
        key = f"{port.container_port}/{port.protocol}"
        found[key] = [*(found.get(key) or []), bound]
    return found


def _endpoint(network: NetworkRecord, member: Member, *, runs: bool) -> dict[str, Any]:
    address = member.address if runs else ""
    return {
        "IPAMConfig": {"IPv4Address": member.wanted} if member.wanted else None,
        "Aliases": list(member.aliases) or None,
        "NetworkID": network.id,
        "Gateway": network.gateway if address else "",
        "IPAddress": address,
        "IPPrefixLen": int(network.subnet.partition("/")[2] or 0) if address else 0,
        "MacAddress": _hardware(address) if address else "",
    }


def _of_its_own(store: Store, record: ContainerRecord, settings: Settings) -> dict[str, Any]:
    """An endpoint on no network of ours: without an address, unless an ordinary user's program gives one."""
    from cowl.container.networks.interfaces import Interface, interfaces

    found = next(iter(interfaces(store, record, settings)), Interface(settings.network))
    return {
        "IPAMConfig": None,
        "Aliases": None,
        "NetworkID": "",
        "Gateway": found.gateway,
        "IPAddress": found.address,
        "IPPrefixLen": found.prefix,
        "MacAddress": "",
    }


def _hardware(address: str) -> str:
    """As Docker makes it of the IPv4 address."""
    return "02:42:" + ":".join(f"{int(byte):02x}" for byte in address.split("."))
