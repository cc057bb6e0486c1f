"""tmpfs, --mount in full, binds that are made, devices, volumes of others; as root and as ordinary user."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller

IMAGE = "busybox"


def test_tmpfs(based: Caller) -> None:
    script = "grep ' /scratch ' /proc/mounts; stat -c '%a %u' /scratch; touch /scratch/x && echo written"
    words = ["--read-only", "--tmpfs", "/scratch:size=1m,mode=1770"]
    told = based.text("run", "--rm", *words, IMAGE, "sh", "-c", script)
    line, *rest = told.split("\n")
    flags = line.split()[3].split(",")
    assert {"rw", "nosuid", "nodev", "noexec", "size=1024k", "mode=1770"} <= set(flags) and line.startswith(
        "tmpfs"
    )
    assert rest == ["1770 0", "written"]
    run = ["sh", "-c", "cp /bin/busybox /x/ && /x/busybox echo ran; dd if=/dev/zero of=/x/big bs=1M count=2"]
    done = based.cowl("run", "--rm", "--tmpfs", "/x:exec,size=3m", IMAGE, *run, status=None)
    assert done.stdout == b"ran\n" and b"No space left" in done.stderr
    based.cowl(
        "create",
        "--name",
        "box",
        "--tmpfs",
        "/run:ro",
        "--mount",
        "type=tmpfs,dst=/t,tmpfs-size=1m",
        IMAGE,
        "true",
    )
    found = json.loads(based.text("inspect", "box"))[0]
    assert found["HostConfig"]["Tmpfs"] == {"/run": "ro"}
    assert [(mount["Type"], mount["Destination"], mount["RW"]) for mount in found["Mounts"]] == [
        ("tmpfs", "/t", True)
    ]
    assert based.text("ps", "-a", "--format", "<{{.Mounts}}>") == "<>"
    done = based.cowl("run", "--rm", "--tmpfs", "/run:ro", IMAGE, "touch", "/run/x", status=1)
    assert b"Read-only file system" in done.stderr
    for words, why in (
        (["--tmpfs", "/a", "-v", "vol:/a"], b"Duplicate mount point: /a"),
        (["--tmpfs", "/a:dev"], b'Invalid tmpfs option "dev"'),
        (["--tmpfs", "/proc/x"], b"nothing can be mounted at /proc/x"),
    ):
        assert why in based.cowl("run", "--rm", *words, IMAGE, "true", status=125).stderr


def test_sources_of_the_host(based: Caller) -> None:
    """-v makes a missing one, --mount does not; a subpath of a volume stays inside it."""
    new = based.home / "new" / "deep"
    based.cowl("run", "--rm", "-v", f"{new}:/x", IMAGE, "touch", "/x/mark")
    assert (new / "mark").exists() and new.stat().st_mode & 0o777 == 0o755
    missing = based.home / "missing"
    for mount in (f"type=bind,src={missing},dst=/x", f"type=bind,src={missing}/,dst=/x,ro"):
        done = based.cowl("create", "--mount", mount, IMAGE, "true", status=1)
        assert b'invalid mount config for type "bind": bind source path does not exist: ' in done.stderr
    assert not missing.exists() and based.text("ps", "-aq") == ""
    odd = based.home / "with:colon"
    odd.mkdir()
    based.give(odd)
    based.cowl("run", "--rm", "--mount", f"type=bind,src={odd},dst=/x:y", IMAGE, "touch", "/x:y/mark")
    assert (odd / "mark").exists()
    if based.name != "root":
        done = based.cowl("run", "--rm", "-v", "/no-such-directory/x:/x", IMAGE, "true", status=125)
        assert (
            b"error while creating mount source path '/no-such-directory/x': mkdir: permission denied"
            in done.stderr
        )
    fill = "mkdir -p /v/sub/in; echo s > /v/sub/in/s; ln -s /etc /v/out; ln -s ../../../../etc /v/up; "
    fill += "ln -s sub /v/link"
    based.cowl("run", "--rm", "-v", "vol:/v", IMAGE, "sh", "-c", fill)
    part = "type=volume,src=vol,dst=/part,volume-subpath="
    assert based.text("run", "--rm", "--mount", f"{part}sub/in", IMAGE, "ls", "/part") == "s"
    assert based.text("run", "--rm", "--mount", f"{part}link/in", IMAGE, "ls", "/part") == "s"
    for astray in ("out", "up", "nothing", "sub/in/s/x"):
        based.cowl("run", "--rm", "--mount", f"{part}{astray}", IMAGE, "true", status=125)
    done = based.cowl("run", "--rm", "--mount", f"{part}sub,readonly", IMAGE, "touch", "/part/x", status=1)
    assert b"Read-only file system" in done.stderr


def test_volumes_from_others(based: Caller) -> None:
    host = based.home / "host"
    host.mkdir()
    based.give(host)
    words = ["-v", "/anon", "-v", "named:/named", "-v", f"{host}:/host"]
    based.cowl("run", "--name", "data", *words, IMAGE, "touch", "/anon/x", "/named/y")
    told = based.text("run", "--rm", "--volumes-from", "data", IMAGE, "ls", "/anon", "/named", "/host")
    assert told == "/anon:\nx\n\n/host:\n\n/named:\ny"
    words = ["--volumes-from", "data:ro", "-v", "own:/named"]
    done = based.cowl("run", "--rm", *words, IMAGE, "sh", "-c", "touch /named/z && touch /anon/z", status=1)
    assert b"/anon/z: Read-only file system" in done.stderr
    based.cowl("rm", "-v", "data")
    assert based.text("volume", "ls", "-q").split() == ["named", "own"]
    done = based.cowl("run", "--rm", "--volumes-from", "nobody", IMAGE, "true", status=125)
    assert b"No such container: nobody" in done.stderr


def test_devices(based: Caller) -> None:
    words = ["--device", "/dev/zero:/dev/my/zero", "--device", "/dev/full:rw"]
    script = "head -c 3 /dev/my/zero | od -An -tx1; stat -c '%t:%T' /dev/my/zero; echo x > /dev/full"
    done = based.cowl("run", "--name", "box", *words, IMAGE, "sh", "-c", script, status=1)
    assert done.stdout.decode().split() == ["00", "00", "00", "1:5"] and b"No space left" in done.stderr
    found = json.loads(based.text("inspect", "box"))[0]["HostConfig"]["Devices"]
    assert [(each["PathOnHost"], each["PathInContainer"]) for each in found] == [
        ("/dev/zero", "/dev/my/zero"),
        ("/dev/full", "/dev/full"),
    ]
    based.cowl("start", "-a", "box", status=1)
    based.cowl("rm", "box")
    assert based.text("system", "check") == "0 problems"
    for words, why in (
        (["--device", "/etc/passwd"], b'custom device "/etc/passwd": not a device node'),
        (["--device", "/dev/no"], b'custom device "/dev/no": no such file or directory'),
        (["--device", "/dev/zero:r"], b"a cgroup's device filter"),
        (["--device-cgroup-rule", "c 1:5 r"], b"--device-cgroup-rule is not supported"),
        (["--gpus", "all"], b"--gpus is not supported"),
    ):
        assert why in based.cowl("run", "--rm", *words, IMAGE, "true", status=125).stderr


def test_a_device_of_root_alone_belongs_to_the_container_s_root(
    root_caller: Caller, busybox_tar: Path
) -> None:
    """A node that only the host's root may open; elsewhere a container's root is nobody to it."""
    node = root_caller.home / "node"
    os.mknod(node, 0o020600, os.makedev(1, 5))
    root_caller.cowl("import", str(busybox_tar), IMAGE)
    given, read = ["--device", f"{node}:/dev/node"], ["head", "-c", "1", "/dev/node"]
    assert root_caller.cowl("run", "--rm", *given, IMAGE, *read).stdout == b"\0"
    refused = root_caller.cowl("run", "--rm", "-u", "node", *given, IMAGE, *read, status=1)
    assert b"Permission denied" in refused.stderr
    inside = root_caller.cowl("run", "--rm", "--userns", "host", *given, IMAGE, *read)
    assert inside.stdout == b"\0"


@pytest.fixture
def spreading(root_caller: Caller, busybox_tar: Path) -> Iterator[tuple[Caller, Path]]:
    """A shared mount of the host's, in a mount namespace of the test's own."""
    root_caller.cowl("import", str(busybox_tar), IMAGE)
    place = root_caller.home / "shared"
    place.mkdir()
    yield root_caller, place


SPREADS = """
set -e
mount --bind {place} {place}
mount --make-private {place}
! {cowl} run --rm -v {place}:/x:rslave busybox true 2> {place}.err
grep -q 'but it is not a shared or slave mount' {place}.err
mount --make-shared {place}
mkdir -p {place}/later {place}/inner
wait_for() {{ n=0; until eval "$1"; do n=$((n + 1)); [ $n -lt 600 ]; sleep 0.05; done; }}
for kind in rslave rprivate; do
    {cowl} run -d --name $kind -v {place}:/x:$kind busybox sleep 1000 > {place}.id
done
mount -t tmpfs none {place}/later
touch {place}/later/mark
{cowl} exec rslave ls /x/later | grep -q mark
! {cowl} exec rprivate ls /x/later | grep -q mark
{cowl} rm -f rslave rprivate > {place}.id
! {cowl} run --rm -v {place}:/x:rshared busybox true 2> {place}.err
grep -q "can't appear outside" {place}.err
umount {place}/later
{cowl} run --rm --privileged -v {place}:/x:rshared busybox mount -t tmpfs none /x/inner 2> {place}.err
grep -q ' {place}/inner ' /proc/self/mounts
umount {place}/inner
{cowl} run --rm --privileged -v {place}:/x busybox mount -t tmpfs none /x/inner 2> {place}.err
! grep -q ' {place}/inner ' /proc/self/mounts
"""


def test_propagation(spreading: tuple[Caller, Path]) -> None:
    caller, place = spreading
    words = caller.argv()
    cowl = " ".join(f"'{word}'" for word in words)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", SPREADS.format(place=place, cowl=cowl)],
        env=caller.env,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, (done.stdout, done.stderr, Path(f"{place}.err").read_text())


def test_propagation_of_an_ordinary_user(ordinary_caller: Caller, busybox_tar: Path) -> None:
    ordinary_caller.cowl("import", str(busybox_tar), IMAGE)
    for word, why in (
        ("rslave", b"the kernel cuts an ordinary user's mounts off"),
        ("shared", b"can't appear outside"),
    ):
        done = ordinary_caller.cowl("run", "--rm", "-v", f"/tmp:/x:{word}", IMAGE, "true", status=125)
        assert why in done.stderr


def test_a_container_that_outgrows_its_limit(based: Caller) -> None:
    """It is killed, says why, and is not started again; one within its limit and the watchdog end as ever."""
    script = "dd if=/dev/zero of=/big bs=1M count=8; sync; sleep 1000"
    limit = ["--storage-opt", "size=4m"]
    done = based.cowl("run", "-d", "--name", "box", "--restart", "always", *limit, IMAGE, "sh", "-c", script)
    assert b"is kept by a watchdog" in done.stderr
    assert based.text("wait", "box") == "137"
    found = json.loads(based.text("inspect", "box"))[0]
    assert found["State"]["Status"] == "exited" and "its limit is 4194304" in found["State"]["Error"]
    assert found["HostConfig"]["StorageOpt"] == {"size": "4m"}
    assert found["HostConfig"]["StorageOptMode"] == "watchdog"
    assert based.cowl("run", "--rm", *limit, IMAGE, "echo", "small").stdout == b"small\n"
    based.cowl("rm", "box")
    assert based.text("system", "check") == "0 problems"
    for word, why in (
        ("inodes=5", b"unknown option"),
        ("size=1k", b"the least is"),
        ("size=big", b"invalid size"),
    ):
        done = based.cowl("run", "--rm", "--storage-opt", word, IMAGE, "true", status=125)
        assert why in done.stderr
