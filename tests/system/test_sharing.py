"""Copy-on-write on the disk: what a second image and ten containers add, counted twice independently."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.caller import Caller

BASE = "node:14.16.1-alpine3.13"


def walk(root: Path) -> int:
    """Allocated bytes below and with `root`, each inode once: an independent count."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for directory, _, files in os.walk(root):
        for path in (directory, *(os.path.join(directory, name) for name in files)):
            status = os.lstat(path)
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_blocks * 512
        # os.walk lists links to directories among the directories, yet never enters them
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if os.path.islink(path) and os.path.isdir(path):
                status = os.lstat(path)
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
    return total


def usage(caller: Caller) -> int:
    code = (
        "import cowl, os, json\n"
        "with cowl.Engine(os.environ['COWL_ROOT']) as engine:\n"
        "    print(engine.usage().total_allocated_bytes)"
    )
    done = caller.python(code)
    assert done.returncode == 0, done.stderr.decode()
    return int(done.stdout)


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    return caller


def built(caller: Caller, name: str, text: str) -> None:
    context = caller.home / f"context-{name}"
    context.mkdir()
    (context / "Dockerfile").write_text(text)
    caller.give(context)
    caller.cowl("build", "-t", name, str(context))


def verbose(caller: Caller) -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = json.loads(caller.text("system", "df", "-v", "--format", "json"))
    return rows


def test_total_equals_an_independent_walk(based: Caller) -> None:
    built(based, "one", f"FROM {BASE}\nRUN echo one > /one\n")
    based.cowl("run", "--name", "box1", "one", "sh", "-c", "echo hello > /tmp/x")
    assert usage(based) == walk(based.store)


def test_a_second_image_adds_only_its_own_bytes(based: Caller) -> None:
    built(based, "one", f"FROM {BASE}\nRUN head -c 100000 /dev/zero > /one\n")
    before = walk(based.store)
    built(based, "two", f"FROM {BASE}\nRUN head -c 50000 /dev/zero > /two\n")
    added = walk(based.store) - before
    assert 50000 <= added < 50000 + 256 * 1024  # its file, its directories and rows; not the 2 MB base
    images = {row["Repository"]: row for row in verbose(based)["Images"]}
    assert images["one"]["UniqueSize"] == "100kB"
    assert images["two"]["UniqueSize"] == "50kB"
    assert images["one"]["SharedSize"] == images["two"]["SharedSize"] == images["node"]["Size"]


def test_ten_containers_add_only_what_they_wrote(based: Caller) -> None:
    based.cowl("run", "--name", "box0", BASE, "true")
    before = walk(based.store)
    for number in range(1, 11):
        based.cowl("run", "--name", f"box{number}", BASE, "sh", "-c", "head -c 10000 /dev/zero > /tmp/mine")
    added = walk(based.store) - before
    assert 10 * 10000 <= added < 10 * 10000 + 10 * 64 * 1024
    containers = {row["Names"]: row["Size"] for row in verbose(based)["Containers"]}
    assert {size.split()[0] for name, size in containers.items() if name != "box0"} == {"10kB"}
    assert containers["box0"].split()[0] == "0B"


def test_a_write_in_one_is_never_seen_in_another(based: Caller) -> None:
    script = "echo secret > /tmp/a; echo changed > /etc/passwd"
    based.cowl("run", "--name", "writer", BASE, "sh", "-c", script)
    seen = based.text("run", "--rm", "--user", "0", BASE, "sh", "-c", "ls /tmp; head -1 /etc/passwd")
    assert seen == "root:x:0:0:root:/root:/bin/sh"


def test_everything_goes_when_it_is_removed(based: Caller) -> None:
    empty = walk(based.store)
    built(based, "one", f"FROM {BASE}\nRUN head -c 100000 /dev/zero > /one\n")
    based.cowl("run", "--name", "box", "one", "true")
    based.cowl("rm", "box")
    based.cowl("rmi", "one")
    based.cowl("builder", "prune", "-f")
    left = {
        name: sorted(os.listdir(based.store / name)) for name in ("layers", "containers", "staging", "trash")
    }
    assert len(left.pop("layers")) == 1
    assert not any(left.values())
    assert walk(based.store) - empty < 256 * 1024  # the database keeps its pages
