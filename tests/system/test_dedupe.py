"""dedupe: what it frees, what nobody sees of it, and who is left alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller
from tests.system.test_sharing import walk

BASE = "base:1"
BIG = "head -c 300000 /bin/busybox > /opt/closed/big; touch -d @1000000000 /opt/closed/big"
OWN = "chown 1000:1000 /opt/closed/big; chmod 400 /opt/closed/big; chmod 555 /opt/closed"
MAKE = f"mkdir -p /opt/closed; {BIG}; {OWN}"


def built(caller: Caller, name: str, *lines: str, base: str = BASE) -> None:
    context = caller.home / f"context-{name}"
    context.mkdir()
    (context / "Dockerfile").write_text("\n".join((f"FROM {base}", *lines)))
    caller.give(context)
    caller.cowl("build", "-q", "-t", name, str(context))


@pytest.fixture
def alike(caller: Caller, busybox_tar: Path) -> Caller:
    """Two images with a big file each that is the same, in a directory that its owner may not write to."""
    caller.cowl("import", str(busybox_tar), BASE)
    built(caller, "one", f"RUN {MAKE}; echo one > /opt/own")
    built(caller, "two", f"RUN {MAKE}; echo two > /opt/own")
    return caller


def dedupe(caller: Caller, *flags: str) -> dict[str, Any]:
    done: dict[str, Any] = json.loads(caller.text("dedupe", "--json", *flags))
    return done


def exported(caller: Caller, image: str) -> str:
    """What a container of the image holds: the hash of its tar."""
    caller.cowl("run", "--name", "look", image, "true")
    tar = caller.cowl("export", "look").stdout
    caller.cowl("rm", "look")
    return hashlib.sha256(tar).hexdigest()


def places(caller: Caller) -> set[int]:
    return {path.stat().st_ino for path in caller.store.glob("layers/*/diff/opt/closed/big")}


def test_only_the_disk_sees_it(alike: Caller) -> None:
    images = ("one", "two")
    before = [exported(alike, image) for image in images]
    ids = [alike.text("inspect", "--format", "{{.RootFS.Layers}}", image) for image in images]
    taken = walk(alike.store / "layers")
    wanted = dedupe(alike, "--dry-run")
    assert len(places(alike)) == 2
    done = dedupe(alike)
    assert len(places(alike)) == 1
    assert done == {**wanted, "dry_run": False}
    assert (done["links"], done["inodes"]) == (1, 1)
    assert taken - walk(alike.store / "layers") == done["freed_bytes"] >= 300_000
    assert alike.text("system", "check") == "0 problems"
    assert [exported(alike, image) for image in images] == before
    assert [alike.text("inspect", "--format", "{{.RootFS.Layers}}", image) for image in images] == ids
    assert dedupe(alike)["links"] == 0
    told = alike.text("dedupe").splitlines()
    assert told[0] == "3 layers and 7 files looked at"
    assert told[-1] == "Total reclaimed space: 0B"
    built(alike, "three", f"RUN {MAKE}; echo one > /opt/own")  # the cache knows the layer as before
    assert exported(alike, "three") == before[0]


def test_a_write_in_one_is_never_seen_in_the_other(alike: Caller) -> None:
    dedupe(alike)
    script = "chmod 600 /opt/closed/big; echo changed >> /opt/closed/big; stat -c %h /opt/closed/big"
    assert alike.text("run", "--name", "writer", "one", "sh", "-c", script) == "1"
    look = "md5sum < /opt/closed/big; stat -c '%a %Y' /opt/closed/big"
    seen = alike.text("run", "--rm", "two", "sh", "-c", f"{look}; head -c 300000 /bin/busybox | md5sum")
    first, about, second = seen.splitlines()
    assert (first, about) == (second, "400 1000000000")
    assert alike.text("diff", "writer").splitlines()[-1] == "C /opt/closed/big"


def test_a_running_container_is_left_alone(alike: Caller) -> None:
    command = alike.argv("run", "--rm", "--name", "box", "one", "sh", "-c", "echo up; exec sleep 1000")
    box = subprocess.Popen(command, env=alike.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert box.stdout is not None
        assert box.stdout.readline() == b"up\n"
        done = dedupe(alike)
        assert (done["layers"], done["links"]) == (1, 0)
        assert [layer["why"] for layer in done["skipped"]] == ["a container that runs uses it"] * 2
        assert "left alone: layer " in alike.text("dedupe")
    finally:
        alike.cowl("rm", "-f", "box")
        box.wait()
        assert box.stdout is not None
        box.stdout.close()
    assert dedupe(alike)["links"] == 1


def test_everything_at_once(alike: Caller) -> None:
    """Dedupes while containers start and end, builds run and images go; then all adds up."""
    for number in range(4):
        built(alike, f"more{number}", f"RUN {MAKE}; echo {number} > /opt/own")
    check = "md5sum /opt/closed/big | cut -c1-8; cat /opt/own"
    wanted = alike.text("run", "--rm", "one", "sh", "-c", check)
    scripts = (
        [("run", "--rm", "one", "sh", "-c", check)] * 4,
        [("build", "-q", "--no-cache", "-t", "two", str(alike.home / "context-two"))] * 3,
        [("rmi", f"more{number}") for number in range(4)],
        [("dedupe", "--json")] * 6,
        [("dedupe", "--json")] * 6,
    )
    crews = [
        subprocess.Popen(
            ["sh", "-c", " && ".join(_line(alike, words) for words in script)],
            env=alike.env,
            cwd=alike.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for script in scripts
    ]
    said = [crew.communicate(timeout=120) for crew in crews]
    assert [crew.returncode for crew in crews[:3]] == [0, 0, 0], said
    assert said[0][0].decode().split("\n")[:-1] == wanted.split("\n") * 4
    for crew, (_, error) in zip(crews[3:], said[3:], strict=True):
        assert not crew.returncode or b"is already running" in error, error
    dedupe(alike)
    assert len(places(alike)) == 1
    assert alike.text("system", "check") == "0 problems"


def _line(caller: Caller, words: tuple[str, ...]) -> str:
    import shlex

    return shlex.join(caller.argv(*words))
