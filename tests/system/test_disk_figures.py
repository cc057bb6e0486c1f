"""One store, seen by every command that shows sizes: they agree, and the disk agrees with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller

DOCKERFILE = """FROM base
ENV A=1

RUN head -c 70000 /dev/zero > /big && \\
    rm /etc/issue
COPY kept /kept
"""
FIGURES = """
import cowl, json, os
with cowl.Engine(os.environ['COWL_ROOT']) as engine:
    found = engine.usage()
    names = {image.id: image.repository for image in found.images}
    print(json.dumps({
        "layers": [[each.line, each.instruction, each.owner, each.size_bytes, each.whiteouts,
                    sorted(names[image] for image in each.images)] for each in found.layers],
        "images": {each.repository: [each.size_bytes, sorted(names[one] for one in found.sharers(each.id))]
                   for each in found.images},
        "containers": {each.names[0]: [each.size_bytes, each.copied_up_bytes, each.new_bytes,
                                       each.virtual_bytes, len(each.volumes)] for each in found.containers},
        "inspected": {image.tags[0]: image.size_bytes for image in engine.images()},
        "owners": dict(found.owners), "total": found.total_allocated_bytes,
    }))
"""


@pytest.fixture
def filled(caller: Caller, busybox_tar: Path) -> Caller:
    """Two images on a base; a container that writes to a base file, one with a volume, a snapshot."""
    caller.cowl("import", str(busybox_tar), "bare")
    context = caller.home / "context"
    context.mkdir()
    (context / "kept").write_bytes(b"k" * 5000)
    for name, text in (
        (
            "base",
            "FROM bare\nRUN mkdir -p /etc && echo hello > /etc/issue && head -c 3000 /dev/zero > /etc/data\n",
        ),
        ("one", DOCKERFILE),
        ("two", "FROM base\nRUN echo two > /two\n"),
    ):
        (context / "Dockerfile").write_text(text)
        caller.give(context)
        caller.cowl("build", "-t", name, str(context))
    caller.cowl(
        "run", "--name", "writer", "two", "sh", "-c", "echo x >> /etc/data; head -c 400 /dev/zero > /new"
    )
    caller.cowl(
        "run", "--name", "user", "-v", "data:/data", "one", "sh", "-c", "head -c 9000 /dev/zero > /data/f"
    )
    caller.cowl("run", "--name", "frozen", "one", "sh", "-c", "head -c 600 /dev/zero > /frozen")
    freeze = "import cowl, os; cowl.Engine(os.environ['COWL_ROOT']).container('frozen').snapshot('kept')"
    assert caller.python(freeze).returncode == 0
    return caller


def figures(caller: Caller) -> dict[str, Any]:
    done = caller.python(FIGURES)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(caller: Caller, *words: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in caller.text(*words, "--format", "json").splitlines()]


def test_every_figure_is_the_same_wherever_it_is_shown(filled: Caller) -> None:
    found = figures(filled)
    assert sum(found["owners"].values()) == found["total"]
    df = json.loads(filled.text("system", "df", "-v", "--format", "json"))
    sizes = {row["Repository"]: row["Size"] for row in df["Images"]}
    assert sizes == {row["Repository"]: row["Size"] for row in rows(filled, "images")}
    for name in ("bare", "base", "one", "two"):
        size = found["images"][name][0]
        assert found["inspected"][f"{name}:latest"] == size
        assert json.loads(filled.text("image", "inspect", name))[0]["Size"] == size
        told = filled.text("history", "--human=false", "--format", "{{.Size}}", name).splitlines()
        assert sum(map(int, told)) == size
    boxes = {row["Names"]: row for row in df["Containers"]}
    for row in rows(filled, "ps", "-as"):
        box = boxes[row["Names"]]
        assert row["Size"] == f"{box['Size']} (virtual {box['VirtualSize']})"
        size, copied, new, virtual, _ = found["containers"][row["Names"]]
        assert copied + new == size
        inspected = json.loads(filled.text("container", "inspect", "-s", row["Names"]))[0]
        assert (inspected["SizeRw"], inspected["SizeRootFs"]) == (size, virtual)
    rows_of_owners = rows(filled, "system", "df", "--verify")
    assert {row["Owner"]: row["Ledger"] for row in rows_of_owners[:10]} == {
        owner: str(size) for owner, size in found["owners"].items()
    }
    done = filled.cowl("system", "df", "-v", "--verify", status=1)
    assert b"--verify and --verbose print different tables" in done.stderr
    done = filled.cowl("system", "df", "--verify")
    assert done.stdout.decode().splitlines()[-1].split() == ["total", *[str(found["total"])] * 2, "0"]
    _who_shares_what(filled, found)
    _a_live_container_is_measured(filled)


LIVE = """
import cowl, os, time
with cowl.Engine(os.environ['COWL_ROOT']) as engine:
    with engine.start("one", ["sh", "-c", "mkdir /shut && head -c 20000 /dev/zero > /shut/f && chmod 0 /shut"
                              " && echo more >> /kept && touch /done && exec sleep 60"]) as box:
        while "/done" not in {each.path for each in box.diff()}:
            time.sleep(0.02)
        (found,) = (each for each in engine.usage().containers if each.id == box.id)
        print(found.state, found.size_bytes, found.copied_up_bytes, found.new_bytes)
        print(engine.verify_usage().differences)
    print(engine.verify_usage().differences)
"""


def _a_live_container_is_measured(filled: Caller) -> None:
    """Also what it closed to itself, which an ordinary user can't read either."""
    done = filled.python(LIVE)
    assert done.stdout.decode().splitlines() == ["running 25005 5005 20000", "()", "()"], done.stderr.decode()


def _who_shares_what(filled: Caller, found: dict[str, Any]) -> None:
    assert found["containers"]["writer"][:3] == [3402, 3002, 400], "the base's file was copied up whole"
    assert found["containers"]["user"][4] == 1
    assert found["images"]["one"][1] == ["bare", "base", "two"]
    told = {
        instruction: (line, owner, whiteouts, images)
        for line, instruction, owner, _, whiteouts, images in found["layers"]
    }
    assert told["COPY kept /kept"] == (6, "layer", 0, ["one"])
    (run,) = (key for key in told if "70000" in key)
    assert run.startswith("RUN head")
    assert told[run] == (4, "layer", 1, ["one"])
    assert told["snapshot kept of a container"][:2] == (0, "snapshot")
    assert found["owners"]["volume"] >= 9000
    summary = {row["Type"]: row for row in rows(filled, "system", "df")}
    assert summary["Local Volumes"]["Size"] == "9kB"
    assert summary["Snapshots"]["Size"] == "600B"


def test_what_is_missing_or_altered_is_named_and_never_counted(filled: Caller) -> None:
    before = figures(filled)["owners"]
    key = json.loads(filled.text("image", "inspect", "two"))[0]["GraphDriver"]["Data"]["Layers"][-1]
    shutil.rmtree(filled.store / "layers" / key)
    kept = next(filled.store.glob("layers/*/diff/kept"))
    kept.write_bytes(b"k" * 50_000)
    done = filled.cowl("system", "df")
    assert done.stderr.decode() == (
        f"WARNING: the directory of layer {key[:12]} is gone: it counts as nothing. Remove what stands on it,"
        " then pull or build that again: image docker.io/library/two:latest, container writer;"
        " prune the build cache.\n"
    )
    assert figures(filled)["owners"]["layer"] < before["layer"]
    done = filled.cowl("system", "df", "--verify", status=1)
    named = [line.split()[:2] for line in done.stdout.decode().splitlines()[12:]]
    assert named == [["layer", key], ["layer", kept.parts[-3]]]
    done = filled.cowl("system", "check", status=1)
    assert f"layer {kept.parts[-3]}: size_bytes is 50000, recorded was 5000" in done.stdout.decode()
