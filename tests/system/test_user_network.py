"""The network of an ordinary user: pasta or slirp4netns between the container and the host."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.networked import (
    carriers,
    echo,
    ends,
    eventually,
    free_port,
    hear,
    host_address,
    server,
    with_tun,
)

PROGRAMS = {"pasta": "passt", "slirp4netns": "slirp4netns"}
# Servers that stay: the image has none, so they run by the host's Python in the container.
PYTHON = [word for path in ("/usr", "/lib", "/lib64") for word in ("-v", f"{path}:{path}:ro")]
SERVERS = """
import socket, threading
def serve(listener, says):
    while True:
        end, _ = listener.accept()
        end.recv(100)
        end.sendall(says)
        end.close()
for port, says in ((80, b"one"), (81, b"two")):
    threading.Thread(target=serve, args=(socket.create_server(("", port)), says)).start()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("", PORT))
while True:
    said, who = datagrams.recvfrom(100)
    datagrams.sendto(b"heard " + said, who)
"""


@pytest.fixture(params=sorted(PROGRAMS))
def network(request: pytest.FixtureRequest) -> str:
    """Each test with both programs."""
    if not shutil.which(request.param):
        pytest.skip(f"needs Debian's package {PROGRAMS[request.param]}")
    return str(request.param)


@pytest.fixture
def user(ordinary_caller: Caller, busybox_tar: Path) -> Iterator[Caller]:
    """An ordinary user with a network device and the image busybox."""
    caller = with_tun(ordinary_caller)
    caller.cowl("import", str(busybox_tar), "busybox")
    yield caller
    left = caller.text("ps", "-aq").split()
    if left:
        caller.cowl("rm", "-f", *left, status=None)
    for porter, programs in carriers(caller).items():
        for pid in (porter, *programs):
            os.kill(pid, signal.SIGKILL)


def test_outwards_and_no_further(user: Caller, network: str) -> None:
    outer = host_address()
    with server(outer, b"outer") as reached, server("127.0.0.1", b"inner") as hidden:
        places = [
            f"{outer} {reached}",
            *(f"{host} {hidden}" for host in ("127.0.0.1", "10.0.2.2", "10.0.2.3", outer)),
        ]
        ask = "".join(f"timeout 3 nc {place} </dev/null >/{n} 2>&1 & " for n, place in enumerate(places))
        script = ask + "wait; grep -l outer /?; grep -l inner /?; echo end"
        said = user.text("run", "--rm", "--network", network, "busybox", "sh", "-c", script)
        assert said.splitlines() == ["/0", "end"]


def test_published_ports_answer(user: Caller, network: str) -> None:
    outer, web, local, datagrams = host_address(), free_port(), free_port(), free_port()
    ports = ["-p", f"{web}:80", "-p", f"127.0.0.1:{local}:81", "-p", f"{datagrams}:{datagrams}/udp"]
    program = SERVERS.replace("PORT", str(datagrams))
    words = [*PYTHON, *ports, "busybox", "/usr/bin/python3", "-c", program]
    user.cowl("run", "-d", "--name", "web", "--network", network, *words)
    eventually(lambda: hear("127.0.0.1", web) == b"one")
    eventually(lambda: hear(outer, web) == b"one")
    eventually(lambda: hear("127.0.0.1", local) == b"two")
    assert hear(outer, local) == b""
    eventually(lambda: echo(outer, datagrams) == b"heard hello")
    if network == "pasta":
        eventually(lambda: echo("127.0.0.1", datagrams) == b"heard hello")
    assert user.text("port", "web", f"{datagrams}/udp") == f"0.0.0.0:{datagrams}"
    assert user.text("port", "web").splitlines()[:2] == [
        f"80/tcp -> 0.0.0.0:{web}",
        f"81/tcp -> 127.0.0.1:{local}",
    ]
    assert b"No public port '82/tcp' published for web" in user.cowl("port", "web", "82", status=1).stderr
    assert user.text("ps", "--format", "{{.Ports}} {{.Networks}}") == (
        f"0.0.0.0:{datagrams}->{datagrams}/udp, 0.0.0.0:{web}->80/tcp, 127.0.0.1:{local}->81/tcp {network}"
    )
    settings = json.loads(user.text("inspect", "--format", "{{json .NetworkSettings}}", "web"))
    assert settings["Ports"]["81/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(local)}]
    assert settings["Networks"][network]["IPAddress"] == "10.0.2.100"
    user.cowl("rm", "-f", "web")
    # The port is free at once, and can be published again.
    assert (
        user.text("run", "--rm", "--network", network, "-p", f"{web}:80", "busybox", "echo", "again")
        == "again"
    )
    assert not carriers(user)


def test_a_port_that_is_taken(user: Caller, network: str) -> None:
    def refused(publish: str) -> str:
        done = user.cowl("run", "--rm", "--network", network, "-p", publish, "busybox", "true", status=125)
        return done.stderr.decode()

    with server("0.0.0.0", b"") as port:
        assert refused(f"{port}:80") == (
            f"cowl: Bind for 0.0.0.0:{port} failed: port is already allocated\n"
            "a process of this machine listens on it; publish another one\n"
        )
    free = free_port()
    user.cowl(
        "run", "-d", "--name", "first", "--network", network, "-p", f"{free}:80", "busybox", "sleep", "600"
    )
    assert "container first has it" in refused(f"127.0.0.1:{free}:80")
    assert "it is no address of this machine" in refused(f"203.0.113.1:{free_port()}:80")
    low = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if low > 1:
        assert "an ordinary user may not listen on it" in refused(f"{low - 1}:80")
    assert user.text("ps", "-a", "--format", "{{.Names}}") == "first"


def test_names_and_addresses(user: Caller, network: str) -> None:
    script = "ip -o -4 addr show dev eth0; cat /etc/hosts; cat /etc/resolv.conf"
    words = [
        "--hostname",
        "box",
        "--add-host",
        "me:host-gateway",
        "--dns-search",
        "lan",
        "--network",
        network,
    ]
    lines = user.text("run", "--rm", *words, "busybox", "sh", "-c", script).splitlines()
    assert "10.0.2.100/24" in lines[0]
    assert lines[1] == f"{host_address()}\tme"
    assert "10.0.2.100\tbox" in lines and "search lan" in lines
    assert any(line.startswith("nameserver ") for line in lines)
    assert not any(line.startswith("nameserver 127.") for line in lines)


@pytest.mark.parametrize(
    ("network", "victim"),
    [
        *(("pasta", victim) for victim in ("container", "porter", "program", "monitor")),
        *(("slirp4netns", victim) for victim in ("porter", "monitor")),
    ],
    indirect=["network"],
)
def test_nothing_is_left_after_a_kill(user: Caller, network: str, victim: str) -> None:
    port = free_port()
    box = user.text("run", "-d", "--network", network, "-p", f"{port}:80", "busybox", "sleep", "600")
    ((porter, [program]),) = carriers(user).items()
    first = int(user.text("inspect", "--format", "{{.State.Pid}}", box))
    monitor = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(
        {"container": first, "porter": porter, "program": program, "monitor": monitor}[victim], signal.SIGKILL
    )
    ends(program)
    ends(porter)
    if victim in ("container", "monitor"):
        eventually(lambda: user.text("ps", "-q") == "")
    else:
        assert user.text("exec", box, "echo", "alive") == "alive"
        user.cowl("stop", "-t", "0", box)
    again = user.text("run", "-d", "--network", network, "-p", f"{port}:80", "busybox", "sleep", "600")
    assert again in user.text("ps", "-q", "--no-trunc")


def test_nothing_is_left_after_a_kill_of_the_command(user: Caller, network: str) -> None:
    argv = user.argv("run", "--rm", "--network", network, "busybox", "sh", "-c", "echo up; exec sleep 600")
    with subprocess.Popen(argv, env=user.env, cwd=user.home, stdout=subprocess.PIPE) as command:
        assert command.stdout is not None and command.stdout.readline() == b"up\n"
        ((porter, [program]),) = carriers(user).items()
        command.kill()
    ends(porter)
    ends(program)
    assert user.text("ps", "-aq") == ""


def test_it_has_nothing_of_ours(user: Caller, network: str) -> None:
    done = user.cowl("run", "-d", "--network", network, "busybox", "sleep", "600", env={"SECRET": "word"})
    ((porter, [program]),) = carriers(user).items()
    for pid in (porter, program) if os.geteuid() == 0 else (porter,):
        assert b"SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()
        held = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
        assert not [name for name in held if "store" in name and not name.endswith("network.lock")]
    user.cowl("rm", "-f", done.stdout.decode().strip())


def test_programs_that_are_not_there(ordinary_caller: Caller, busybox_tar: Path) -> None:
    """The default is the next best, then none with a word about it; what is asked by name is an error."""
    if not all(map(shutil.which, PROGRAMS)):
        pytest.skip("needs Debian's packages passt and slirp4netns")
    hidden = [f"/usr/bin/{program}" for program in ("pasta", "slirp4netns")]
    ordinary_caller.cowl("import", str(busybox_tar), "busybox")
    for without, network in ((hidden[:0], "pasta"), (hidden[:1], "slirp4netns")):
        caller = with_tun(ordinary_caller, without=tuple(without))
        assert caller.text("info", "--format", "{{.DefaultNetwork.name}}") == network
        box = caller.text("create", "busybox", "true")
        assert caller.text("inspect", "--format", "{{.HostConfig.NetworkMode}}", box) == network
    caller = with_tun(ordinary_caller, without=tuple(hidden))
    done = caller.cowl("run", "--rm", "busybox", "ls", "/sys/class/net")
    assert done.stdout == b"lo\n" and done.stderr.count(b"\n") == 1
    assert b"WARNING: the container has no network" in done.stderr
    assert b"install the package passt" in done.stderr
    assert "none (the network pasta needs the program pasta" in caller.text("info")
    for asked in (["-p", "8080:80"], ["--network", "pasta"], ["--network", "slirp4netns"]):
        done = caller.cowl("run", "--rm", *asked, "busybox", "true", status=125)
        assert b"install the package" in done.stderr
    assert (
        b"need root"
        in caller.cowl("run", "--rm", "--network", "bridge", "busybox", "true", status=125).stderr
    )
    assert caller.cowl("run", "--rm", "--network", "none", "busybox", "true").stderr == b""


def test_without_a_device(ordinary_caller: Caller, busybox_tar: Path, network: str) -> None:
    if os.access("/dev/net/tun", os.R_OK) and os.stat("/dev/net/tun").st_mode & 0o006:
        pytest.skip("everybody may open /dev/net/tun here")
    ordinary_caller.cowl("import", str(busybox_tar), "busybox")
    done = ordinary_caller.cowl("run", "--rm", "--network", network, "busybox", "true", status=125)
    assert "/dev/net/tun, which this user can't open" in done.stderr.decode()


def test_ports_that_nobody_chose(user: Caller, network: str) -> None:
    """-P takes what the image exposes; the API tells the port that was found."""
    code = """
import cowl, sys
with cowl.Engine() as engine:
    with engine.start("busybox", ["sleep", "600"], network=sys.argv[1], publish=[80], expose=["7000-7001"],
                      publish_all=True) as box:
        ports = box.ports()
        assert [port.name for port in ports] == ["80/tcp", "7000/tcp", "7001/tcp"], ports
        assert len({port.host_port for port in ports} - {0}) == 3
        assert box.ports(80) == ports[:1] and box.addresses() == {sys.argv[1]: "10.0.2.100"}
    assert engine.containers() == []
"""
    done = user.python(code, network)
    assert done.returncode == 0, done.stderr.decode()
