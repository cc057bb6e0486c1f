"""Volumes of containers, as root and as an ordinary user: shared, kept, filled, and no way out."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.mount_table import mount_table

from cowl.linux.override_stat import XATTR

BASE, APP = "busybox", "app"
DOCKERFILE = f"""
FROM {BASE}
RUN mkdir -p /data/sub && echo one > /data/one && echo two > /data/sub/two && chmod 1770 /data
RUN chown -R node:node /data && ln -s /data /well && ln -s /proc/self/fd/0 /magic && ln -s / /root-link
RUN ln -s /dev /device && ln -s ../../../../etc /up && mkdir /d && ln -s /etc /d/swap
VOLUME /data
"""


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    return caller


@pytest.fixture
def app(based: Caller) -> Caller:
    """With an image that declares a volume and holds traps."""
    context = based.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    based.give(context)
    based.cowl("build", "-q", "-t", APP, str(context))
    return based


def volumes(caller: Caller) -> list[str]:
    return caller.text("volume", "ls", "-q").split()


def data(caller: Caller, name: str) -> Path:
    return Path(json.loads(caller.text("volume", "inspect", name))[0]["Mountpoint"])


def test_a_named_volume_outlives_its_containers(based: Caller) -> None:
    assert based.text("volume", "create", "--label", "use=test", "kept") == "kept"
    based.cowl("run", "--name", "one", "-v", "kept:/srv", BASE, "sh", "-c", "echo here > /srv/x")
    assert based.text("run", "--rm", "-v", "kept:/other:ro", BASE, "cat", "/other/x") == "here"
    done = based.cowl("run", "--rm", "-v", "kept:/other:ro", BASE, "touch", "/other/y", status=1)
    assert b"Read-only file system" in done.stderr
    row = json.loads(based.text("volume", "ls", "--format", "json"))
    assert (row["Name"], row["Driver"], row["Labels"], row["Links"]) == ("kept", "local", "use=test", "1")
    (mount,) = json.loads(based.text("inspect", "one"))[0]["Mounts"]
    assert (mount["Type"], mount["Name"], mount["Destination"], mount["RW"]) == (
        "volume",
        "kept",
        "/srv",
        True,
    )
    assert Path(mount["Source"], "x").read_text() == "here\n"
    assert based.text("ps", "-a", "--format", "{{.Mounts}} {{.LocalVolumes}}") == "kept 1"
    assert based.text("ps", "-aq", "-f", "volume=kept") and not based.text("ps", "-aq", "-f", "volume=no")
    refused = based.cowl("volume", "rm", "kept", "nope", status=1)
    assert (
        b"remove kept: volume is in use - [" in refused.stderr and b"No such volume: nope" in refused.stderr
    )
    based.cowl("rm", "-v", "one")
    assert (
        based.text("volume", "ls", "-q", "-f", "dangling=true", "-f", "name=^ke", "-f", "label=use") == "kept"
    )
    assert based.text("volume", "rm", "-f", "kept", "nope") == "kept\nnope" and volumes(based) == []
    assert os.listdir(based.store / "volumes") == []


def test_what_an_image_declares_is_anonymous(app: Caller) -> None:
    assert app.text("run", "--rm", APP, "cat", "/data/sub/two") == "two" and volumes(app) == []
    app.cowl("run", "--name", "kept", "-v", "/more", APP, "touch", "/data/new", "/more/new")
    names = volumes(app)
    assert [len(name) for name in names] == [64, 64]
    app.cowl("rm", "kept")
    assert volumes(app) == names
    app.cowl("volume", "rm", *names)
    app.cowl("run", "--name", "gone", "-v", "named:/named", APP, "true")
    app.cowl("rm", "-v", "gone")
    assert volumes(app) == ["named"]
    app.cowl("run", "--rm", "-v", "mine:/data", APP, "sh", "-c", "echo changed > /data/one")
    assert app.text("run", "--rm", "-v", "mine:/data", APP, "cat", "/data/one") == "changed"
    assert "check" not in app.text("system", "check")


def test_filled_once_and_owned_as_in_the_image(app: Caller) -> None:
    show = ["sh", "-c", "stat -c '%a %u %g' /data /data/one /data/sub/two; find /data | wc -l"]
    inside = app.text("run", "--rm", "-v", "vol:/data", APP, *show).split("\n")
    assert inside[0].startswith("1770 ") and inside[3] == "4"
    if app.name == "root":
        assert inside[:3] == ["1770 1000 1000", "644 1000 1000", "644 1000 1000"]
        assert (data(app, "vol") / "one").stat().st_uid == 1000
    else:
        assert os.getxattr(data(app, "vol") / "one", XATTR) == b"1000:1000:0644"
    app.cowl(
        "run", "--rm", "-u", "node", "-v", "vol:/data", APP, "sh", "-c", "rm -r /data/sub; id > /data/one"
    )
    assert app.text("run", "--rm", "-v", "vol:/data", APP, "ls", "/data") == "one"
    assert app.text("run", "--rm", "-v", "empty:/data:nocopy", APP, "ls", "/data") == ""
    assert app.text("run", "--rm", "--mount", "src=blank,dst=/data,volume-nocopy", APP, "ls", "/data") == ""
    assert app.text("run", "--rm", "-v", "linked:/well", APP, "ls", "/well") == "one\nsub"
    app.cowl("run", "--rm", "-v", "shut:/v", BASE, "chmod", "0", "/v")
    app.cowl("run", "--rm", "-v", "shut:/data", APP, "true")
    app.cowl("volume", "rm", "shut")


def test_two_containers_at_once_and_a_late_filling(app: Caller) -> None:
    """A running container's empty volume is filled under its feet, as Docker does, and stays its own."""
    wait = "until [ -e /v/one ]; do sleep 0.05; done; echo mine > /v/mine;"
    wait += " until [ -e /v/yours ]; do sleep 0.05; done"
    with subprocess.Popen(
        app.argv("run", "--rm", "-v", "vol:/v", BASE, "sh", "-c", wait), env=app.env
    ) as first:
        while not app.text("ps", "-q"):
            time.sleep(0.05)
        script = "until [ -e /data/mine ]; do sleep 0.05; done; cat /data/mine; touch /data/yours"
        assert app.text("run", "--rm", "-v", "vol:/data", APP, "sh", "-c", script) == "mine"
        assert first.wait(60) == 0
    assert sorted(os.listdir(data(app, "vol"))) == ["mine", "one", "sub", "yours"]


def test_nested_and_below_a_read_only_root(based: Caller) -> None:
    script = (
        "touch /a/outer /a/b/c/inner && touch /x 2>/dev/null || echo read-only; ls /a /a/b /a/b/c /etc/hosts"
    )
    words = ["-v", "inner:/a/b/c", "-v", "outer:/a", "-v", "etc:/etc", "--read-only"]
    told = based.text("run", "--rm", *words, BASE, "sh", "-c", script)
    assert told.split() == ["read-only", "/etc/hosts", "/a:", "b", "outer", "/a/b:", "c", "/a/b/c:", "inner"]
    assert os.listdir(data(based, "inner")) == ["inner"]
    assert {"hosts", "passwd", "group"} <= set(os.listdir(data(based, "etc")))


ASTRAY = """
import json, os, sys, cowl
reasons, home = json.loads(sys.argv[1]), os.getcwd()
with cowl.Engine() as engine:
    for source, target, reason in reasons:
        try:
            engine.run("app", ["true"], binds=[f"{source or home}:{target}"])
        except cowl.CowlError as error:
            assert reason in error.message, (target, error.message)
        else:
            raise AssertionError(target)
        assert os.listdir(engine.create_volume("vol").mountpoint) == [], target
    assert engine.containers(all=True) == []
    for target in ("/d/swap", "/up"):  # they lead to /etc: the image's, never the host's
        done = engine.run("app", ["cat", "/etc/passwd"], binds=[f"vol:{target}"], check=True)
        assert b"node:x:1000" in done.stdout
        assert {"group", "passwd"} <= set(os.listdir(engine.volume("vol").mountpoint))
        engine.remove_volume("vol")
"""


def test_targets_that_lead_astray(app: Caller) -> None:
    before = mount_table()
    reasons = [
        ("vol", "/magic", "leads it to /proc/self/fd/0"),
        ("vol", "/root-link", "leads it to /"),
        ("vol", "/device/shm", "leads it to /dev/shm"),
        ("vol", "/etc/passwd", "is a file in the image"),
        ("vol", "/up/../proc/1/root", "nothing can be mounted at /proc/1/root"),
        ("", "/root-link", "to the root of the container"),
        ("", "/magic", "a link of the kernel's"),
    ]
    done = app.python(ASTRAY, json.dumps(reasons))
    assert done.returncode == 0, done.stderr.decode()
    assert mount_table() == before


def test_what_an_image_may_not_declare(caller: Caller, busybox_tar: Path) -> None:
    for path in ("../../etc", "/proc/self/fd/0"):
        caller.cowl("import", "--change", f'VOLUME ["{path}"]', str(busybox_tar), "bad")
        done = caller.cowl("run", "--rm", "bad", "true", status=125)
        assert b"the image declares the volume '" + path.encode() in done.stderr
    assert volumes(caller) == []


SWAPPED = """
import cowl
with cowl.Engine() as engine:
    for _ in range(8):
        try:
            engine.run("busybox", ["touch", "/v/sub/deep/mark"], binds=["vol:/v", "inner:/v/sub/deep"])
        except (cowl.Denied, cowl.Unavailable) as error:
            assert "internal" not in error.message
    engine.run("busybox", ["touch", "/v/stop"], binds=["vol:/v"], check=True)
"""


def test_a_swapper_in_a_shared_volume_gains_nothing(based: Caller) -> None:
    """One container swaps a directory for links while others are started with a volume below it."""
    canary = based.home / "canary"
    canary.mkdir()
    (canary / "secret").write_text("s")
    based.give(canary)
    swap = (
        f"mkdir -p /v/real; while [ ! -e /v/stop ]; do ln -s {canary} /v/sub 2>/dev/null; rm -f /v/sub;"
        " ln -s /proc/self/root /v/sub; rm -f /v/sub; ln -s ../../../.. /v/sub; rm -f /v/sub;"
        " mkdir /v/sub; rmdir /v/sub 2>/dev/null || rm -rf /v/sub; done"
    )
    before = mount_table()
    with subprocess.Popen(
        based.argv("run", "--rm", "-v", "vol:/v", BASE, "sh", "-c", swap), env=based.env
    ) as box:
        while not based.text("ps", "-q"):
            time.sleep(0.05)
        done = based.python(SWAPPED)
        assert done.returncode == 0, done.stderr.decode()
        assert box.wait(60) == 0
    assert os.listdir(canary) == ["secret"] and (canary / "secret").read_text() == "s"
    assert mount_table() == before


def test_from_python(based: Caller) -> None:
    done = based.python(
        """
import os, cowl
with cowl.Engine() as engine:
    volume = engine.create_volume("work", labels={"a": "b"})
    engine.run("busybox", ["touch", "/w/x"], binds=["work:/w", "/scratch"], check=True)
    assert os.listdir(volume.mountpoint) == ["x"] and volume.labels == {"a": "b"}
    assert [each.name for each in engine.volumes()] == ["work"]
    with engine.start("busybox", ["sleep", "60"], binds=["work:/w", "/anon"], remove=False) as box:
        assert engine.volume("work").containers == (box.id,) and len(engine.volumes()) == 2
        try:
            engine.remove_volume("work")
        except cowl.Conflict as error:
            assert error.container_ids == (box.id,)
        else:
            raise AssertionError
    forks = box.fork(2)
    assert set(engine.volume("work").containers) == {box.id, *(fork.id for fork in forks)}
    assert sum(each.anonymous for each in engine.volumes()) == 3
    for fork in forks:
        fork.remove(volumes=True)
    for taken in engine.snapshots():
        taken.remove()
    engine.remove_container(box.id, volumes=True)
    volume.remove()
    assert engine.volumes() == []
    try:
        engine.run("busybox", ["true"], binds=["aa:/x", "bb:/x"])
    except cowl.Invalid as error:
        assert error.message == "Duplicate mount point: /x"
    engine.remove_volume("work", force=True)
""",
    )
    assert done.returncode == 0, done.stderr.decode()
