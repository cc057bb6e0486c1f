"""The column PORTS of ps."""

from __future__ import annotations

from cowl import PublishedPort
from cowl.cli.port import ports_text


def _same(port: int, address: str = "0.0.0.0", protocol: str = "tcp") -> PublishedPort:
    return PublishedPort(port, protocol, address, port)


def test_ports_as_docker_shows_them() -> None:
    assert ports_text(["80/tcp"], []) == "80/tcp"
    assert ports_text(["80/tcp", "81/tcp", "53/udp"], []) == "53/udp, 80-81/tcp"
    assert ports_text(["80/tcp"], [PublishedPort(80, "tcp", "0.0.0.0", 8080)]) == "0.0.0.0:8080->80/tcp"
    span = [_same(8000), _same(8001), _same(8002), _same(9000), _same(8003, "127.0.0.1")]
    assert ports_text([], span) == (
        "0.0.0.0:8000-8002->8000-8002/tcp, 127.0.0.1:8003->8003/tcp, 0.0.0.0:9000->9000/tcp"
    )
    assert ports_text(["443/tcp"], [_same(53, protocol="udp")]) == "443/tcp, 0.0.0.0:53->53/udp"
