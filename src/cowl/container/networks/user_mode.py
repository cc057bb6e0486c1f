"""The network of an ordinary user: a program of his own carries the packets, pasta or slirp4netns.

The container has one interface with the same address for everybody, IPv4 only, and what it sends is sent by
a process of its user. Neither the host's loopback nor the container's is carried over to the other side.
"""

from __future__ import annotations

import os
from _socket import AF_INET, SOCK_DGRAM, socket

from cowl.container.networks import porter
from cowl.container.networks.host_ports import publish
from cowl.container.networks.programs import PASTA, require_program
from cowl.errors import Unavailable
from cowl.store.network_record import PortTaken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl.container.options import Settings
    from cowl.store.container_record import ContainerRecord
    from cowl.store.network_record import PublishedPort
    from cowl.store.store import Store

ADDRESS, PREFIX, GATEWAY, FORWARDER = "10.0.2.100", 24, "10.0.2.2", "10.0.2.3"
_INTERFACE = "eth0"
_ELSEWHERE = ("203.0.113.1", 9)  # documentation's: a way there is a way to everywhere
_SANDBOX = ("/etc/", "/run/")  # what slirp4netns sees of the host in its sandbox


class NoHostAddress(Unavailable):
    """The host has no address that a container could reach it by."""

    def __init__(self) -> None:
        super().__init__(
            "host-gateway stands for no address: this machine has no route to anywhere",
            hint="name the address yourself: --add-host NAME:ADDRESS",
        )


class UserConnection:
    """See modes.Connection."""

    address = ADDRESS
    names: tuple[tuple[str, str], ...] = ()

    def __init__(self, store: Store, record: ContainerRecord, settings: Settings) -> None:
        self._directory = record.directory
        self._network = settings.network
        self._program = require_program(settings.network)
        self.forwarder = FORWARDER if self._network == PASTA else ""
        self._ports = publish(store, record.id, settings)
        asked = settings.networking
        self.gateway = host_address()
        if not self.gateway and asked and any(address == "host-gateway" for _, address in asked.add_host):
            raise NoHostAddress

    def join(self, pid: int) -> None:
        """See modes.Connection. Raises ProgramFailed, PortTaken."""
        if self._network == PASTA:
            argv, requests = pasta(self._program, pid, self._ports, routed=bool(self.gateway)), []
        else:
            argv, requests = slirp4netns(self._program, pid), [_forward(port) for port in self._ports]
        try:
            porter.start_program(argv, self._directory, pid, requests)
        except porter.ProgramFailed as error:
            taken = self._taken(error.said)
            if taken is None:
                raise
            raise PortTaken(taken.host_address, taken.host_port, "") from error

    def _taken(self, said: str) -> PublishedPort | None:
        """The port that somebody has taken since it was found free."""
        if "bind" not in said and "hostfwd" not in said:
            return None
        return self._ports[0] if self._ports else None


def prepare(store: Store, record: ContainerRecord, settings: Settings) -> UserConnection:
    """See modes. Raises NetworkProgramMissing, NoTunDevice, NoHostAddress and as `publish`."""
    return UserConnection(store, record, settings)


def pasta(program: str, pid: int, ports: Iterable[PublishedPort], *, routed: bool) -> list[str]:
    """Its command line: passt(1), as of 2023 and later. `routed`: the host has a default route."""
    spoken = {protocol: ["none"] for protocol in ("tcp", "udp")}
    for port in ports:
        spoken[port.protocol].append(f"{port.host_address}/{port.host_port}:{port.container_port}")
    root = (
        ["--runas", "0:0"] if os.geteuid() == 0 else []
    )  # it holds no rights outside the container's namespace
    return [
        program,
        *("--foreground", "--quiet", "--ipv4-only", "--config-net", "--ns-ifname", _INTERFACE),
        *("--address", ADDRESS, "--netmask", str(PREFIX), "--gateway", GATEWAY),
        *("--dns-forward", FORWARDER, "--no-map-gw"),
        *("--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra"),
        *([] if routed else ["--interface", "lo"]),
        *root,
        *(word for spec in spoken["tcp"][1:] or ["none"] for word in ("--tcp-ports", spec)),
        *(word for spec in spoken["udp"][1:] or ["none"] for word in ("--udp-ports", spec)),
        *("--tcp-ns", "none", "--udp-ns", "none"),  # else it carries the host's loopback inside
        *("--pid", porter.READY),
        str(pid),
    ]


def slirp4netns(program: str, pid: int) -> list[str]:
    """Its command line: slirp4netns(1), 1.1 and later.

    Its own name server is off: through its address every port of the host's loopback could be reached where
    the host's resolver listens there.
    """
    boxed = os.path.realpath("/etc/resolv.conf").startswith(_SANDBOX)
    return [
        program,
        *("--configure", "--mtu=65520", "--cidr=10.0.2.0/24", "--disable-host-loopback", "--disable-dns"),
        *(["--enable-sandbox", "--enable-seccomp"] if boxed else []),
        *("--ready-fd=3", "--exit-fd=4", f"--api-socket={porter.SOCKET}"),
        str(pid),
        _INTERFACE,
    ]


def _forward(port: PublishedPort) -> dict[str, object]:
    """The request to slirp4netns that publishes a port."""
    arguments = {
        "proto": port.protocol,
        "host_addr": port.host_address,
        "host_port": port.host_port,
        "guest_addr": ADDRESS,
        "guest_port": port.container_port,
    }
    return {"execute": "add_hostfwd", "arguments": arguments}


def host_address() -> str:
    """The host's own address on its way to everywhere, "" without one. Nothing is sent."""
    probe = socket(AF_INET, SOCK_DGRAM)
    try:
        probe.connect(_ELSEWHERE)
        found: str = probe.getsockname()[0]
    except OSError:
        return ""
    finally:
        probe.close()
    return found
