"""The network files of a container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cowl.runtime.netfiles import BLOCK_BEGIN, BLOCK_END, HOSTS_LIMIT, rewrite_block, write_network_files
from cowl.runtime.resolver import Resolver, alone, isolated, shared


@pytest.mark.parametrize("network", ["none", "host"])
def test_a_container_knows_its_own_name(tmp_path: Path, network: str) -> None:
    pairs = write_network_files(str(tmp_path), "box.of.mine", network)
    assert [target for _, target in pairs] == ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]
    assert (tmp_path / "hosts").read_text().endswith("\n127.0.0.1\tbox.of.mine\n")
    assert (tmp_path / "hostname").read_text() == "box.of.mine\n"


def test_the_hosts_own_name_is_left_to_the_host(tmp_path: Path) -> None:
    write_network_files(str(tmp_path), os.uname().nodename, "host")
    assert (tmp_path / "hosts").read_bytes() == Path("/etc/hosts").read_bytes()


def test_without_a_network_the_hosts_names_are_not_told(tmp_path: Path) -> None:
    write_network_files(str(tmp_path), "box", "none")
    assert len((tmp_path / "hosts").read_text().splitlines()) == 7
    assert (tmp_path / "resolv.conf").read_text() == ""


def test_what_is_asked_of_names(tmp_path: Path) -> None:
    write_network_files(
        str(tmp_path),
        "box",
        "pasta",
        [("db", "10.1.1.1"), ("me", "host-gateway")],
        address="10.0.2.100",
        domainname="example.org",
        names=[("10.0.2.3", "web web.back")],
        resolver=Resolver(("9.9.9.9",), ("a.example", "b.example"), ("ndots:2",)),
        gateway="192.0.2.2",
    )
    lines = (tmp_path / "hosts").read_text().splitlines()
    assert lines[:2] == ["10.1.1.1\tdb", "192.0.2.2\tme"]
    assert lines[-4:] == [
        "10.0.2.100\tbox.example.org box",
        BLOCK_BEGIN[:-1],
        "10.0.2.3\tweb web.back",
        BLOCK_END[:-1],
    ]
    assert (tmp_path / "resolv.conf").read_text() == (
        "nameserver 9.9.9.9\nsearch a.example b.example\noptions ndots:2\n"
    )


HOST = "# x\ndomain old\nnameserver 127.0.0.53\nnameserver fd00::1\nsearch lan home\noptions edns0\n"


@pytest.mark.parametrize(
    ("host", "upstream", "forwarder", "servers"),
    [
        ("nameserver 10.0.0.1\nnameserver 127.0.0.1\n", "", "", ["10.0.0.1"]),
        ("nameserver 127.0.0.1\nnameserver 10.0.0.1\n", "", "10.0.2.3", ["10.0.2.3", "10.0.0.1"]),
        (HOST, "nameserver 10.0.0.2\nnameserver fe80::1%eth0\n", "", ["10.0.0.2"]),
        (HOST, "nameserver 10.0.0.2\n", "10.0.2.3", ["10.0.2.3"]),
        (HOST, "", "", ["8.8.8.8", "8.8.4.4"]),
        ("", "", "", ["8.8.8.8", "8.8.4.4"]),
    ],
)
def test_name_servers_that_an_isolated_container_reaches(
    host: str, upstream: str, forwarder: str, servers: list[str]
) -> None:
    text = isolated(host, upstream, Resolver(), forwarder)
    assert [line.split()[1] for line in text.splitlines() if line.startswith("nameserver")] == servers
    if host == HOST:
        assert text.endswith("\nsearch lan home\noptions edns0\n")


def test_the_hosts_resolver_as_it_is_and_with_changes() -> None:
    assert shared(HOST, Resolver()) == HOST
    assert shared(HOST, Resolver(search=(".",))) == (
        "nameserver 127.0.0.53\nnameserver fd00::1\noptions edns0\n"
    )
    assert alone(Resolver(servers=("10.0.0.1",))) == "nameserver 10.0.0.1\n"


def test_names_of_others_come_and_go_in_the_same_file(tmp_path: Path) -> None:
    write_network_files(str(tmp_path), "box", "back", names=[("10.0.0.2", "web")])
    hosts = tmp_path / "hosts"
    before, inode = hosts.read_text(), hosts.stat().st_ino
    hosts.write_text("1.1.1.1\tmine\n" + before + "2.2.2.2\ttoo\n")
    rewrite_block(str(hosts), [("10.0.0.3", "db"), ("10.0.0.4", "cache")])
    rewrite_block(str(hosts), [("10.0.0.4", "cache")])
    assert hosts.read_text() == "1.1.1.1\tmine\n" + before.replace("10.0.0.2\tweb", "10.0.0.4\tcache") + (
        "2.2.2.2\ttoo\n"
    )
    rewrite_block(str(hosts), [])
    assert "cache" not in hosts.read_text() and BLOCK_BEGIN not in hosts.read_text()
    assert hosts.stat().st_ino == inode


@pytest.mark.parametrize(
    "text", ["", "no newline", "\0\xff\n", BLOCK_END, BLOCK_BEGIN + "cut", BLOCK_BEGIN * 3]
)
def test_a_hosts_file_that_its_container_has_spoilt(tmp_path: Path, text: str) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_bytes(text.encode("latin-1"))
    rewrite_block(str(hosts), [("10.0.0.2", "web")])
    rewrite_block(str(hosts), [("10.0.0.3", "db")])
    assert hosts.read_bytes().count(b"\n10.0.0.3\tdb\n") == 1 and b"web" not in hosts.read_bytes()


def test_a_hosts_file_that_is_out_of_bounds_is_left_alone(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_bytes(b"#" * (HOSTS_LIMIT + 1))
    rewrite_block(str(hosts), [("10.0.0.2", "web")])
    assert hosts.stat().st_size == HOSTS_LIMIT + 1
    hosts.unlink()
    hosts.symlink_to("/etc/hosts")
    rewrite_block(str(hosts), [("10.0.0.2", "web")])
    hosts.unlink()
    rewrite_block(str(hosts), [])
    os.mkfifo(hosts)
    rewrite_block(str(hosts), [("10.0.0.2", "web")])
