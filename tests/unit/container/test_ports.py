"""Ports and networks as Docker's users write them."""

from __future__ import annotations

from typing import Any

import pytest

from cowl.container.networking import (
    Attachment,
    Networking,
    attachments,
    check_networking,
    exposed_ports,
    make_networking,
)
from cowl.container.options import RunOptions, Settings, fold, run_options
from cowl.container.ports import InvalidPort, Publication, parse_expose, parse_port, parse_publish, published
from cowl.container.words import InvalidOptions
from cowl.oci.image_config import ContainerConfig


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("80", [Publication(80, "tcp")]),
        ("8080:80", [Publication(80, "tcp", "", 8080, 8080)]),
        ("8080:80/UDP", [Publication(80, "udp", "", 8080, 8080)]),
        ("127.0.0.1:8080:80", [Publication(80, "tcp", "127.0.0.1", 8080, 8080)]),
        ("127.0.0.1::80", [Publication(80, "tcp", "127.0.0.1")]),
        ("0:80", [Publication(80, "tcp")]),
        ("8000-8001:80-81", [Publication(80, "tcp", "", 8000, 8000), Publication(81, "tcp", "", 8001, 8001)]),
        ("8000-8009:80", [Publication(80, "tcp", "", 8000, 8009)]),
        ("80-81", [Publication(80, "tcp"), Publication(81, "tcp")]),
        ("target=53,published=5353,protocol=udp", [Publication(53, "udp", "", 5353, 5353)]),
    ],
)
def test_what_is_published(word: str, found: list[Publication]) -> None:
    assert [*parse_publish(word)] == found


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("8080:", "no port specified: 8080:<empty>"),
        ("x:80", "invalid hostPort: x"),
        ("80:x", "invalid containerPort: x"),
        ("70000:80", "invalid hostPort: 70000"),
        ("80:81-80", "invalid containerPort: 81-80"),
        ("8000-8002:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000-8002"),
        ("1.2.3:8080:80", "invalid IP address: 1.2.3"),
        ("1.2.3.0256:8080:80", "invalid IP address: 1.2.3.0256"),
        ("[::1]:8080:80", "IPv4 addresses only"),
        ("80/icmp", "invalid proto: icmp"),
        ("80/sctp", "publishes no sctp ports"),
        ("target=80,mode", "should be name=value but got 'mode'"),
        ("80\n", "invalid containerPort"),
        ("+80", "invalid containerPort"),
        ("²:80", "invalid hostPort"),
    ],
)
def test_what_is_no_publication(word: str, message: str) -> None:
    with pytest.raises(InvalidPort) as refused:
        parse_publish(word)
    assert message in refused.value.message


def test_a_port_of_the_host_is_given_once() -> None:
    assert len(published(["8080:80", "8080:80", "8080:80/udp", "127.0.0.2:81:80", "127.0.0.3:81:80"])) == 4
    for rival in ("8080:81", "127.0.0.1:8080:80"):
        with pytest.raises(InvalidPort, match="8080/tcp of the host is published twice"):
            published(["8080:80", rival])


def test_ports_that_are_exposed() -> None:
    assert parse_expose("80-82/udp") == ("80/udp", "81/udp", "82/udp")
    assert parse_port("53/udp") == (53, "udp")
    with pytest.raises(InvalidPort, match="invalid port format for --expose: 80:80"):
        parse_expose("80:80")
    config = ContainerConfig(exposed_ports=("443/tcp", "nonsense", "53/udp"))
    asked = Networking(publish=("8080:80",), expose=("443",))
    assert exposed_ports(config, asked) == ("53/udp", "80/tcp", "443/tcp")


def test_all_that_is_exposed_is_published_beside_what_was_said() -> None:
    asked = Networking(publish=("8080:80",), publish_all=True)
    assert asked.publications(("80/tcp", "443/tcp")) == (
        Publication(80, "tcp", "", 8080, 8080),
        Publication(443, "tcp"),
    )


def test_one_network_and_several() -> None:
    assert attachments("back", Networking(network_alias=("db",), ip="10.0.0.9")) == (
        Attachment("back", ("db",), "10.0.0.9"),
    )
    several = Networking(networks=("name=back,alias=db,ip=10.0.0.9", "front"))
    assert attachments("back", several) == (Attachment("back", ("db",), "10.0.0.9"), Attachment("front"))


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        ("none", {"publish": ["80"]}, "port publishing and --network none"),
        ("bridge", {"network_alias": ["db"]}, "aliases are only supported for user-defined networks"),
        ("pasta", {"ip": "10.0.0.1"}, "IP address is supported on user defined networks only"),
        ("host", {"networks": ["host", "back"]}, "cannot attach both user-defined and non-user-defined"),
        ("a", {"networks": ["a", "name=a,alias=b"]}, "one network is named twice"),
        ("a", {"networks": ["name=a,mac-address=x", "b"]}, "invalid field 'mac-address=x'"),
        ("container:x", {"publish": ["80"]}, "port publishing and the container type network mode"),
        ("container:x", {"dns": ["10.0.0.1"]}, "dns and the container type network mode"),
        ("container:x", {"add_host": ["a:10.0.0.1"]}, "custom host-to-IP mapping and the container type"),
        ("none", {"dns": ["dns.example"]}, "dns.example is not an ip address"),
        ("none", {"dns_search": ["a b"]}, "dns_search: invalid name 'a b'"),
        ("none", {"dns_options": ["ndots:1\nnameserver 1.2.3.4"]}, "dns_options: invalid name"),
        ("none", {"add_host": {"a": "10.0.0"}}, 'invalid IP address in add-host: "10.0.0"'),
        ("none", {"add_host": {"a\tb": "10.0.0.1"}}, "add_host: invalid name"),
        ("none", {"add_host": ["a"]}, 'bad format for add-host: "a"'),
        ("none", {"mac_address": "02:00:00:00:00:01"}, "--mac-address is not available"),
        ("none", {"ip6": "fd00::1"}, "no IPv6"),
    ],
)
def test_what_contradicts_itself(network: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOptions) as refused:
        check_networking(network, make_networking(**options), "")
    assert message in refused.value.message


def test_options_survive_the_store() -> None:
    options = run_options(expose=["80"], add_host={"db": "[fd00::1]"}, network="host")
    assert options.networking is not None and options.networking.add_host == (("db", "fd00::1"),)
    settings = fold("image", ContainerConfig(exposed_ports=("443/tcp",)), ["true"], options)
    assert settings.exposed == ("80/tcp", "443/tcp")
    assert Settings.from_json(settings.to_json()) == settings
    assert RunOptions().networking is None
