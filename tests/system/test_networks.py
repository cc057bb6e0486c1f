"""Networks of root: bridges, names, published ports, who reaches whom, and what is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.caller import Caller

from cowl.container.networks.ground import table_name

BASE = "busybox"
PAGE = (
    "mkdir -p /www/cgi-bin; printf '#!/bin/sh\\nprintf \"\\\\n$REMOTE_ADDR\"' >/www/cgi-bin/who;"
    " chmod +x /www/cgi-bin/who; echo hello >/www/index.html; exec httpd -f -p 80 -h /www"
)


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Waits for something that comes about by itself."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@pytest.fixture
def root(root_caller: Caller, busybox_tar: Path) -> Caller:
    root_caller.cowl("import", str(busybox_tar), BASE)
    return root_caller


@pytest.fixture
def web(root: Caller) -> Iterator[Callable[..., None]]:
    """Starts a web server as a detached container; all of them are gone at the end."""

    def start(name: str, *words: str) -> None:
        root.cowl("run", "-d", "--name", name, *words, BASE, "sh", "-c", PAGE)
        until(lambda: root.cowl("exec", name, "wget", "-qO-", "127.0.0.1", status=None).returncode == 0)

    yield start
    names = root.text("ps", "-aq").split()
    if names:
        root.cowl("rm", "-f", *names)


def three_bytes() -> str:
    """The beginning of a subnet of 256 addresses that no other run of this test is likely to have."""
    first, second = os.urandom(2)
    return f"10.{100 + first % 100}.{second}"


def address(caller: Caller, name: str, network: str) -> str:
    containers = json.loads(caller.text("network", "inspect", network))[0]["Containers"].values()
    found = [each["IPv4Address"].partition("/")[0] for each in containers if each["Name"] == name]
    return str(found[0])


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode().strip()
    return text


def published(caller: Caller, name: str) -> list[int]:
    """The ports of the host that lead to a container, by the container's own."""
    code = (
        "import sys, cowl\nwith cowl.Engine() as engine:\n"
        " box = engine.container(sys.argv[1])\n"
        " print(*(port.host_port for port in engine.store.networks.ports(box.id)))"
    )
    return [int(word) for word in caller.python(code, name).stdout.split()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


def reaches(caller: Caller, target: str, *words: str, seconds: int = 30) -> bool:
    """Whether a new container opens a TCP connection to "host port"."""
    script = f"nc -w {seconds} {target} -e true"
    return caller.cowl("run", "--rm", *words, BASE, "sh", "-c", script, status=None).returncode == 0


def rules(caller: Caller) -> str:
    table = ["nft", "list", "table", "ip", table_name(str(caller.store))]
    return subprocess.run(table, capture_output=True, text=True, check=False).stdout


def test_containers_of_one_network_talk_by_name_and_no_other_network_reaches_them(
    root: Caller, web: Callable[..., None]
) -> None:
    root.cowl("network", "create", "front")
    root.cowl("network", "create", "back")
    web("shop", "--network", "front", "--network-alias", "store")
    for name in ("shop", "store"):
        page = root.text("run", "--rm", "--network", "front", BASE, "wget", "-qO-", name)
        assert page == "hello"
    there = f"{address(root, 'shop', 'front')} 80"
    assert reaches(root, there, "--network", "front")
    assert not reaches(root, there, "--network", "back", seconds=1)
    assert not reaches(root, there, "--network", "bridge", seconds=1)
    assert "shop" not in root.text("run", "--rm", "--network", "back", BASE, "cat", "/etc/hosts")


def test_the_default_network_of_root_is_a_bridge_without_ipv6(root: Caller) -> None:
    script = "ip -o addr show eth0; ip route; cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6"
    shown = root.text("run", "--rm", BASE, "sh", "-c", script)
    assert "inet " in shown and "inet6" not in shown and "default via" in shown
    assert shown.endswith("\n1")
    assert root.text("run", "--rm", "--network", "none", BASE, "ls", "/sys/class/net") == "lo"


def test_without_nft_there_is_no_network_unless_it_was_asked_for(root: Caller) -> None:
    hide = "mount -t tmpfs none /run/netns 2>/dev/null; for nft in /usr/sbin/nft /sbin/nft; do"
    hide += ' if [ -x $nft ]; then mount --bind /dev/null $nft; fi; done; exec "$@"'

    def without(*words: str) -> subprocess.CompletedProcess[bytes]:
        argv = ["unshare", "-m", "sh", "-c", hide, "sh", *root.argv("run", "--rm", *words)]
        return subprocess.run(argv, env=root.env, cwd=root.home, capture_output=True, check=False)

    plain = without(BASE, "ls", "/sys/class/net")
    assert plain.stdout.split() == [b"lo"]
    assert b"nftables" in plain.stderr and plain.stderr.count(b"\n") == 1
    asked = without("--network", "bridge", BASE, "true")
    assert asked.returncode == 125 and b"nftables" in asked.stderr


def test_a_published_port_answers_on_every_address_of_the_host(
    root: Caller, web: Callable[..., None]
) -> None:
    port = free_port()
    web("shop", "-p", f"{port}:80")
    gateway = json.loads(root.text("network", "inspect", "bridge"))[0]["IPAM"]["Config"][0]["Gateway"]
    assert fetch(f"http://127.0.0.1:{port}") == "hello"
    assert fetch(f"http://{gateway}:{port}") == "hello"
    assert root.text("run", "--rm", BASE, "wget", "-qO-", f"{gateway}:{port}") == "hello"
    taken = root.cowl("run", "--rm", "-p", f"{port}:80", BASE, "true", status=125).stderr.decode()
    assert f"Bind for 0.0.0.0:{port} failed: port is already allocated" in taken and "shop" in taken
    root.cowl("rm", "-f", "shop")
    assert str(port) not in rules(root)
    with pytest.raises(OSError, match="refused"):
        fetch(f"http://127.0.0.1:{port}")


def test_ports_that_nobody_names_are_free_ones(root: Caller, web: Callable[..., None]) -> None:
    web("shop", "-p", "80", "-p", "127.0.0.1::53/udp")
    numbers = published(root, "shop")
    assert len(set(numbers)) == 2
    assert "hello" in [_text_or_nothing(number) for number in numbers]


def _text_or_nothing(port: int) -> str:
    with contextlib.suppress(OSError):
        return fetch(f"http://127.0.0.1:{port}")
    return ""


def test_a_port_that_a_process_of_the_host_listens_on_is_taken(root: Caller) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = root.cowl("run", "--rm", "-p", f"{port}:80", BASE, "true", status=125)
    assert f"Bind for 0.0.0.0:{port} failed: port is already allocated" in done.stderr.decode()
    assert root.text("ps", "-aq") == ""


class Street:
    """A host of its own, without the rules that others here have, and a machine beside it on a cable.

    Both are network namespaces.
    """

    def __init__(self, caller: Caller) -> None:
        mark = os.urandom(3).hex()
        self.here, self.there = f"ho-{mark}", f"nb-{mark}"
        self.host, self.neighbour = "198.19.0.1", "198.19.0.2"
        self._listeners: list[subprocess.Popen[bytes]] = []
        prefix = ["ip", "netns", "exec", self.here, *caller._prefix]
        self.caller = Caller(caller.name, caller.home, prefix, caller._python, caller.env)
        self._ip("netns", "add", self.here)
        self._ip("netns", "add", self.there)
        self._ip("-n", self.here, "link", "add", "eth0", "type", "veth", "peer", "eth0", "netns", self.there)
        for name, address in ((self.here, self.host), (self.there, self.neighbour)):
            self._ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            self._ip("-n", name, "link", "set", "eth0", "up")
            self._ip("-n", name, "link", "set", "lo", "up")
        self._ip("-n", self.there, "route", "add", "default", "via", self.host)

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def sh(self, name: str, script: str) -> subprocess.CompletedProcess[str]:
        argv = ["ip", "netns", "exec", name, "sh", "-c", script]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    def opens(self, name: str, target: str, seconds: int) -> bool:
        return self.sh(name, f"busybox nc -w {seconds} {target} -e true").returncode == 0

    def listen(self, place: str) -> None:
        """A service of the host's, at "address:port"."""
        argv = ["ip", "netns", "exec", self.here, "busybox", "httpd", "-f", "-p", place, "-h", "/proc/self"]
        self._listeners.append(subprocess.Popen(argv))
        until(lambda: self.opens(self.here, place.replace(":", " "), 30))

    def close(self) -> None:
        for listener in self._listeners:
            listener.kill()
            listener.wait()
        for name in (self.here, self.there):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@pytest.fixture
def street(root: Caller) -> Iterator[Street]:
    found = Street(root)
    yield found
    names = root.text("ps", "-aq").split()
    if names:
        found.caller.cowl("rm", "-f", *names)
    found.close()


def test_outsiders_reach_published_ports_alone_and_are_seen_by_their_address(street: Street) -> None:
    host = street.caller
    host.cowl(
        "run", "-d", "--name", "shop", "-p", "8080:80", "-p", "127.0.0.1:8081:80", BASE, "sh", "-c", PAGE
    )
    until(lambda: street.opens(street.here, "127.0.0.1 8081", 30))
    seen = street.sh(street.there, f"busybox wget -qO- http://{street.host}:8080/cgi-bin/who").stdout
    assert seen.strip().strip("[]").removeprefix("::ffff:") == street.neighbour
    assert not street.opens(street.there, f"{address(host, 'shop', 'bridge')} 80", 1)
    assert not street.opens(street.there, f"{street.host} 8081", 1)
    # As CVE-2020-8558: packets from a wire to 127.0.0.1, where a port is published.
    street.sh(
        street.there,
        "sysctl -qw net.ipv4.conf.all.route_localnet=1; ip addr del 127.0.0.1/8 dev lo;"
        f" ip route add 127.0.0.0/8 via {street.host} src {street.neighbour}",
    )
    for port in (8080, 8081):
        assert not street.opens(street.there, f"127.0.0.1 {port}", 1)


def test_a_container_does_not_reach_the_hosts_loopback(street: Street) -> None:
    street.caller.cowl("run", "--rm", BASE, "true")
    street.listen("127.0.0.1:8082")
    script = (
        "G=$(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p');"
        " sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.eth0.route_localnet=1;"
        " ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.0/8 via $G src $(hostname -i);"
        " ip route get 127.0.0.1 | grep eth0 && ! nc -w 1 127.0.0.1 8082 -e true"
    )
    assert "eth0" in street.caller.text("run", "--rm", "--privileged", BASE, "sh", "-c", script)


def test_who_else_drops_what_containers_send_is_named_once(street: Street) -> None:
    docker = "nft add table ip filter; nft add chain ip filter FORWARD"
    street.sh(street.here, docker + " '{ type filter hook forward priority 0; policy drop; }'")
    shown = [street.caller.cowl("run", "--rm", BASE, "ls", "/sys/class/net") for _ in range(2)]
    assert [each.stdout.split() for each in shown] == [[b"eth0", b"lo"], [b"eth0", b"lo"]]
    assert b"chain ip filter FORWARD" in shown[0].stderr and b"DOCKER-USER" in shown[0].stderr
    assert shown[1].stderr == b""
    assert street.sh(street.here, "cat /proc/sys/net/ipv4/ip_forward").stdout == "1\n"


def test_an_internal_network_reaches_nothing_but_its_own(root: Caller, web: Callable[..., None]) -> None:
    root.cowl("network", "create", "--internal", "vault")
    web("safe", "--network", "vault")
    assert root.text("run", "--rm", "--network", "vault", BASE, "wget", "-qO-", "safe") == "hello"
    assert root.text("run", "--rm", "--network", "vault", BASE, "cat", "/etc/resolv.conf") == ""
    gateway = json.loads(root.text("network", "inspect", "vault"))[0]["IPAM"]["Config"][0]["Gateway"]
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert reaches(root, f"$(ip route | cut -d' ' -f3 | head -1) {port}", "--network", "bridge")
        route = f"ip route add default via {gateway}; nc -w 1 {gateway} {port} -e true"
        words = ("--network", "vault", "--privileged", BASE, "sh", "-c", route)
        assert root.cowl("run", "--rm", *words, status=None).returncode != 0
    assert fetch(f"http://{address(root, 'safe', 'vault')}") == "hello"  # the host itself may
    refused = root.cowl("run", "--rm", "--network", "vault", "-p", "80", BASE, "true", status=125)
    assert b"internal" in refused.stderr


def test_a_running_container_comes_to_a_network_and_leaves_it(root: Caller, web: Callable[..., None]) -> None:
    net = three_bytes()
    root.cowl("network", "create", "one")
    root.cowl("network", "create", "--subnet", f"{net}.0/24", "two")
    web("shop", "--network", "one")
    web("user", "--network", "two")

    def hosts() -> str:
        return root.text("exec", "user", "cat", "/etc/hosts")

    root.cowl("network", "connect", "--alias", "store", "--ip", f"{net}.9", "two", "shop")
    assert f"{net}.9\tshop store" in hosts()
    assert root.text("exec", "user", "wget", "-qO-", "store") == "hello"
    root.cowl("rename", "shop", "mall")
    assert f"{net}.9\tmall store" in hosts()
    again = root.cowl("network", "connect", "two", "mall", status=1).stderr
    assert b"already exists in network two" in again
    in_use = root.cowl("network", "rm", "two", status=1).stderr
    assert b"has active endpoints: mall, user" in in_use
    root.cowl("network", "disconnect", "one", "mall")
    assert root.text("exec", "mall", "ip", "route").startswith(f"default via {net}.1")
    root.cowl("network", "disconnect", "two", "mall")
    assert "mall" not in hosts()
    assert root.text("exec", "mall", "ls", "/sys/class/net") == "lo"
    not_there = root.cowl("network", "disconnect", "two", "mall", status=1).stderr
    assert b"is not connected to network two" in not_there
    root.cowl("network", "disconnect", "-f", "two", "mall")
    root.cowl("network", "connect", "two", "mall")
    root.cowl("restart", "-t", "0", "mall")
    assert "\tmall " in hosts()


def test_twenty_containers_started_at_once_have_an_address_each(root: Caller) -> None:
    root.cowl("network", "create", "--subnet", f"{three_bytes()}.0/27", "many")

    def start(number: int) -> str:
        return root.text("run", "--rm", "--network", "many", BASE, "hostname", "-i")

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(start, range(20)))
    assert len(set(found)) == 20
    members = root.text("network", "inspect", "-f", "{{json .Containers}}", "many")
    assert members == "{}"


def test_what_a_crash_leaves_is_gone_after_the_next_command(root: Caller) -> None:
    port = free_port()
    root.cowl("network", "create", "shaky")
    argv = ["run", "--rm", "--name", "doomed", "--network", "shaky", "-p", f"{port}:80", BASE, "sleep", "999"]
    starter = subprocess.Popen(root.argv(*argv), env=root.env, cwd=root.home, start_new_session=True)
    until(lambda: root.text("ps", "-q", "--filter", "name=doomed"))
    assert str(port) in rules(root)
    inside = json.loads(root.text("inspect", "doomed"))[0]["State"]["Pid"]
    keeper = int(Path(f"/proc/{inside}/stat").read_text().rpartition(")")[2].split()[1])
    for pid in (starter.pid, keeper, inside):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    starter.wait()
    until(lambda: not Path(f"/proc/{inside}").exists())
    root.cowl("images")
    assert str(port) not in rules(root)
    assert json.loads(root.text("network", "inspect", "shaky"))[0]["Containers"] == {}
    bridge = json.loads(root.text("network", "inspect", "shaky"))[0]["Options"][
        "com.docker.network.bridge.name"
    ]
    until(lambda: not os.listdir(f"/sys/class/net/{bridge}/brif"))
    root.cowl("run", "--rm", "-p", f"{port}:80", BASE, "true")


def test_the_commands_show_and_refuse_what_dockers_do(root: Caller) -> None:
    net = three_bytes()
    identity = root.text(
        "network",
        "create",
        "--label",
        "team=blue",
        "--ip-range",
        f"{net}.64/26",
        "--subnet",
        f"{net}.0/24",
        "--opt",
        "com.docker.network.driver.mtu=1300",
        "blue",
    )
    assert len(identity) == 64
    listed = root.text("network", "ls", "--format", "{{.ID}} {{.Name}} {{.Driver}} {{.Scope}}").splitlines()
    assert [line.split()[1:] for line in listed] == [
        ["blue", "bridge", "local"],
        ["bridge", "bridge", "local"],
        ["host", "host", "local"],
        ["none", "null", "local"],
    ]
    assert root.text("network", "ls", "-q", "--filter", "label=team=blue", "--no-trunc") == identity
    shown = root.text("run", "--rm", "--network", "blue", BASE, "ip", "addr", "show", "eth0")
    assert "mtu 1300" in shown and f"inet {net}.64/24" in shown
    for words, said in (
        (("create", "blue"), "network with name blue already exists"),
        (("create", "bridge"), "network with name bridge already exists"),
        (
            ("create", "--subnet", f"{net}.128/25", "red"),
            "Pool overlaps with other one on this address space",
        ),
        (
            ("create", "--gateway", "10.0.0.1", "--subnet", "10.213.80.0/24", "red"),
            "no matching subnet for gateway",
        ),
        (("create", "-d", "overlay", "red"), "could not find plugin overlay"),
        (("create", "-o", "colour=red", "red"), "unknown option of a bridge network: colour"),
        (("inspect", "red"), "network red not found"),
        (("rm", "bridge"), "bridge is a pre-defined network and cannot be removed"),
        (("connect", "host", "nobody"), "network host"),
    ):
        assert said in root.cowl("network", *words, status=1).stderr.decode()
    root.cowl("create", "--name", "kept", "--network", "blue", BASE, "ip", "addr", "show", "eth0")
    root.cowl("network", "disconnect", "blue", "kept")
    root.cowl("network", "connect", "blue", "kept")
    assert root.text("network", "prune", "-f") == ""
    assert f"inet {net}." in _of_a_fork(root, "kept")
    root.cowl("rm", *root.text("ps", "-aq").split())
    assert root.text("system", "prune", "-f").startswith("Deleted Networks:\nblue")
    root.cowl("network", "create", "green")
    assert root.text("network", "prune", "-f") == "Deleted Networks:\ngreen"
    told = root.text(
        "events", "--since", "0", "--until", "0s", "--filter", "type=network", "--format", _EVENT
    )
    assert [line.split() for line in told.splitlines()] == [
        ["create", "blue"],
        *[["connect", "blue"], ["disconnect", "blue"]] * 2,  # of what ran: the first one and the fork
        ["destroy", "blue"],
        ["create", "green"],
        ["destroy", "green"],
    ]
    assert not os.path.exists(f"/sys/class/net/cowl-{table_name(str(root.store))[5:]}")
    assert rules(root) == ""


_EVENT = "{{.Action}} {{.Actor.Attributes.name}}"


def _of_a_fork(caller: Caller, name: str) -> str:
    """What a fork of a container prints."""
    code = (
        "import os, sys, cowl\nwith cowl.Engine() as engine:\n"
        " [box] = engine.container(sys.argv[1]).fork()\n"
        " box.start(stdout=1).wait()"
    )
    return caller.python(code, name).stdout.decode()


def test_an_ordinary_user_is_told_that_bridges_are_roots(ordinary_caller: Caller, busybox_tar: Path) -> None:
    ordinary_caller.cowl("import", str(busybox_tar), BASE)
    names = ordinary_caller.text("network", "ls", "--format", "{{.Name}}").split()
    assert names == ["host", "none"]
    for words in (("network", "create", "mine"), ("create", "--network", "bridge", BASE, "true")):
        assert b"need root" in ordinary_caller.cowl(*words, status=1).stderr
