"""--network container:NAME: two containers with one localhost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.networked import eventually


@pytest.fixture
def user(root_caller: Caller, busybox_tar: Path) -> Iterator[Caller]:
    """Root with the image busybox."""
    root_caller.cowl("import", str(busybox_tar), "busybox")
    yield root_caller
    left = root_caller.text("ps", "-aq").split()
    if left:
        root_caller.cowl("rm", "-f", *left, status=None)


def test_they_share_localhost_and_names(user: Caller) -> None:
    serve = "while :; do echo hello | nc -l -p 8000; done"
    words = ["--hostname", "first", "--add-host", "db:10.1.1.1"]
    user.cowl("run", "-d", "--name", "web", *words, "--network", "none", "busybox", "sh", "-c", serve)
    joined = ["--network", "container:web", "busybox", "sh", "-c"]
    eventually(lambda: "hello" in user.text("run", "--rm", *joined, "nc 127.0.0.1 8000 </dev/null || true"))
    script = "hostname; grep -c db /etc/hosts; readlink /proc/self/ns/net; ls /sys/class/net | wc -l"
    host, hosts, namespace, seen = user.text("run", "--rm", *joined, script).splitlines()
    assert (host, hosts, seen) == ("first", "1", "0")
    assert namespace == user.text("exec", "web", "readlink", "/proc/self/ns/net")
    assert namespace != os.readlink("/proc/self/ns/net")
    user.cowl("run", "-d", "--name", "beside", *joined, "exec sleep 600")
    assert user.text("exec", "beside", "readlink", "/proc/self/ns/net") == namespace
    # The namespace lives on with whoever is in it; nobody new comes in by the one that has ended.
    user.cowl("rm", "-f", "web")
    assert user.text("exec", "beside", "readlink", "/proc/self/ns/net") == namespace
    assert b"No such container" in user.cowl("run", "--rm", *joined, "true", status=125).stderr


def test_what_can_not_be_joined(user: Caller, ordinary_caller: Caller, busybox_tar: Path) -> None:
    user.cowl("create", "--name", "idle", "busybox", "true")

    def refused(*words: str) -> bytes:
        return user.cowl("run", "--rm", *words, "busybox", "true", status=125).stderr

    assert b"cannot join network of a non running container" in refused("--network", "container:idle")
    assert b"port publishing and the container type network mode" in refused(
        "--network", "container:idle", "-p", "80"
    )
    assert b"hostname and the container type" in refused("--network", "container:idle", "-h", "box")
    assert b"names no container" in refused("--network", "container:")
    user.cowl("create", "--name", "bare", "--network", "host", "busybox", "true")
    assert b"say --network host" in refused("--network", "container:bare")
    ordinary_caller.cowl("import", str(busybox_tar), "busybox")
    done = ordinary_caller.cowl("run", "--rm", "--network", "container:x", "busybox", "true", status=125)
    assert b"needs root" in done.stderr
