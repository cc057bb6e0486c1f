"""What tests of networks share: an ordinary user who may have devices, servers on the host, what is left."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.caller import Caller

PATIENCE = 30.0
_OPEN_TUN = (
    "mount -t tmpfs -o mode=755 none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && chmod 666 /dev/net/tun"
    ' && {more} exec "$@"'
)


def with_tun(caller: Caller, *, without: tuple[str, ...] = ()) -> Caller:
    """The caller with a /dev/net/tun for everybody, as udev makes it, and `without` some programs.

    In a mount namespace of each command's own: the machine stays as it is.
    """
    if os.geteuid() != 0:
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK) or without:
            pytest.skip("needs /dev/net/tun, or root to make one")
        return caller
    more = "".join(f"mount --bind /dev/null {program} && " for program in without)
    wrapper = ["unshare", "-m", "sh", "-c", _OPEN_TUN.format(more=more), "sh"]
    return Caller(caller.name, caller.home, [*wrapper, *caller._prefix], caller._python, caller.env)


def host_address() -> str:
    """An address of this machine that is not its loopback."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.connect(("203.0.113.1", 9))
        return str(probe.getsockname()[0])
    except OSError:
        pytest.skip("this machine has no route to anywhere")
    finally:
        probe.close()


@contextmanager
def server(address: str, says: bytes) -> Iterator[int]:
    """A TCP server of this machine that says something to everybody; its port."""
    listener = socket.socket()
    listener.bind((address, 0))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                end, _ = listener.accept()
            except OSError:
                return
            with end:
                end.sendall(says)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def free_port() -> int:
    """A port that nobody listens on, for TCP and UDP."""
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        stream.bind(("0.0.0.0", 0))
        port = stream.getsockname()[1]
        datagrams.bind(("0.0.0.0", port))
        return int(port)


def hear(address: str, port: int) -> bytes:
    """What a TCP server says to a word; b"" while nobody answers."""
    try:
        with socket.create_connection((address, port), timeout=2) as end:
            end.sendall(b"hello")
            return end.recv(100)
    except OSError:
        return b""


def echo(address: str, port: int, said: bytes = b"hello") -> bytes:
    """What a UDP server answers within a second; b"" if nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.settimeout(1)
        end.connect((address, port))
        try:
            end.send(said)
            return end.recv(100)
        except OSError:
            return b""


def eventually(looks: Callable[[], object]) -> None:
    """Returns once that is true; fails after a while."""
    deadline = time.monotonic() + PATIENCE
    while not looks():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def carriers(caller: Caller) -> dict[int, list[int]]:
    """The porters of a caller's containers, each with its children: the programs that carry packets."""
    found: dict[int, list[int]] = {}
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        try:
            named = Path(f"/proc/{entry}/comm").read_text() == "cowl-porter\n"
            if named and os.readlink(f"/proc/{entry}/cwd").startswith(str(caller.home)):
                children = Path(f"/proc/{entry}/task/{entry}/children").read_text()
                found[int(entry)] = [int(child) for child in children.split()]
        except OSError:
            continue
    return found


def ends(pid: int) -> None:
    """Returns once that process has ended; a zombie has."""
    eventually(lambda: not _lives(pid))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
