"""The nftables table of a store, whole, as a script: what its networks may reach, and published ports. Pure.

It replaces the one that is there in one step. No other table is touched; what others drop stays dropped.
"""

from __future__ import annotations

from cowl.store.network_record import ANY_ADDRESS
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BRIDGE_PREFIX = "cowl"  # of every bridge of every store: no network reaches another


class Ground(Value):
    """A network as the host's kernel has it."""

    bridge: str
    subnet: str
    internal: bool


class Lead(Value):
    """A port of the host and where it leads to."""

    protocol: str
    host_address: str
    host_port: int
    address: str
    port: int


def remove_table(name: str) -> str:
    """The script that leaves nothing; a table that is not there is fine."""
    return f"add table ip {name}\ndelete table ip {name}\n"


def whole_table(name: str, grounds: Sequence[Ground], leads: Iterable[Lead]) -> str:
    """The script for these networks and ports."""
    lines = [
        f"table ip {name} {{",
        *_maps([*leads]),
        *_chain(
            "unrouted",
            "filter hook prerouting priority raw",
            # The loopback of the host is nobody's but its own, whatever route_localnet says: what comes
            # from a wire with such a destination would else be led to published ports or answered.
            ['iifname != "lo" ip daddr 127.0.0.0/8 drop'],
        ),
        *_chain("incoming", "nat hook prerouting priority dstnat", ["jump published"]),
        *_chain("own", "nat hook output priority -100", ["jump published"]),
        *_chain("published", "", _PUBLISHED),
        *_chain("leaving", "nat hook postrouting priority srcnat", _each(grounds, _leaving)),
        *_chain("passing", "filter hook forward priority filter", _each(grounds, _passing)),
        *_chain("to_host", "filter hook input priority filter", _each(grounds, _to_host)),
        "}",
    ]
    return remove_table(name) + "\n".join(lines) + "\n"


_PUBLISHED = (
    "meta l4proto { tcp, udp } dnat ip to meta l4proto . ip daddr . th dport map @bound",
    "meta l4proto { tcp, udp } fib daddr type local dnat ip to meta l4proto . th dport map @everywhere",
)


def _maps(leads: Sequence[Lead]) -> list[str]:
    bound = [
        f"{lead.protocol} . {lead.host_address} . {lead.host_port} : {lead.address} . {lead.port}"
        for lead in leads
        if lead.host_address != ANY_ADDRESS
    ]
    everywhere = [
        f"{lead.protocol} . {lead.host_port} : {lead.address} . {lead.port}"
        for lead in leads
        if lead.host_address == ANY_ADDRESS
    ]
    target = "ipv4_addr . inet_service"
    return [
        *_map("bound", f"inet_proto . ipv4_addr . inet_service : {target}", bound),
        *_map("everywhere", f"inet_proto . inet_service : {target}", everywhere),
    ]


def _map(name: str, kind: str, elements: Sequence[str]) -> list[str]:
    found = [f"elements = {{ {', '.join(elements)} }}"] if elements else []
    return [f"map {name} {{", f"type {kind}", *found, "}"]


def _chain(name: str, hook: str, rules: Iterable[str]) -> list[str]:
    head = [f"type {hook}; policy accept;"] if hook else []
    return [f"chain {name} {{", *head, *rules, "}"]


def _each(grounds: Sequence[Ground], rules: object) -> list[str]:
    assert callable(rules)
    return [rule for ground in grounds for rule in rules(ground)]


def _leaving(ground: Ground) -> list[str]:
    """Who gets the host's address: what leaves for outside, and what would else be answered past us."""
    bridge = f'"{ground.bridge}"'
    outside = [] if ground.internal else [f"ip saddr {ground.subnet} oifname != {bridge} masquerade"]
    return [
        *outside,
        f"ip saddr {ground.subnet} oifname {bridge} ct status dnat masquerade",
        f"ip saddr 127.0.0.0/8 oifname {bridge} masquerade",
    ]


def _passing(ground: Ground) -> list[str]:
    """Out with their own addresses only; in only what was asked for or published; never to each other."""
    bridge = f'"{ground.bridge}"'
    out, into = f"iifname {bridge} oifname != {bridge}", f"iifname != {bridge} oifname {bridge}"
    if ground.internal:
        return [f"{out} drop", f"{into} drop"]
    return [
        f"iifname {bridge} ip saddr != {ground.subnet} drop",
        f'{out} oifname "{BRIDGE_PREFIX}*" drop',
        f"{into} ct state established,related accept",
        f"{into} ct status dnat accept",
        f"{into} drop",
    ]


def _to_host(ground: Ground) -> list[str]:
    """From an internal network the host itself is outside: it could resolve and relay."""
    if not ground.internal:
        return []
    bridge = f'"{ground.bridge}"'
    return [f"iifname {bridge} ct state established,related accept", f"iifname {bridge} drop"]
