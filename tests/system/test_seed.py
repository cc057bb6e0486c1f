"""The seed's Dockerfile, byte for byte, from base to container: the acceptance test of the whole."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from tests.caller import Caller

BASE = "node:14.16.1-alpine3.13"
SEED = Path(__file__).parents[2] / "examples" / "seed"
# sha256 of the study text's own Dockerfile: `examples/seed` must never drift from it.
SEED_SHA256 = "b4bd526aa4183021941c1f33eee8700f90bcb38886f6865d153120303c254905"


@pytest.fixture
def seeded(caller: Caller, busybox_tar: Path) -> Caller:
    """A caller with the base and the seed's image, built from a copy of the context it may read."""
    caller.cowl("import", str(busybox_tar), BASE)
    caller.cowl("build", "-t", "seed", str(context(caller)))
    return caller


def context(caller: Caller) -> Path:
    directory = caller.home / "seed"
    directory.mkdir(exist_ok=True)
    for name in ("Dockerfile", "hello.txt"):
        (directory / name).write_bytes((SEED / name).read_bytes())
    return caller.give(directory)


def history(caller: Caller, image: str) -> list[dict[str, str]]:
    rows = caller.text("history", "--no-trunc", "--format", "{{json .}}", image).splitlines()
    return [json.loads(row) for row in rows]


def test_the_seed_is_the_seed() -> None:
    assert hashlib.sha256((SEED / "Dockerfile").read_bytes()).hexdigest() == SEED_SHA256


def test_three_layers_and_two_history_entries_are_added(seeded: Caller) -> None:
    rows = history(seeded, "seed")[: -len(history(seeded, BASE))]
    assert [(row["CreatedBy"], row["Size"]) for row in rows] == [
        ("RUN /bin/sh -c echo aaaaaaaaabbbbbbbbbb>>hello.txt # buildkit", "25B"),
        ("COPY ./hello.txt ./ # buildkit", "5B"),
        ("ENV BUILD_ENV=dev", "0B"),
        ("LABEL author=xxx", "0B"),
        ("WORKDIR /app", "0B"),
    ]
    base = json.loads(seeded.text("inspect", BASE))[0]["RootFS"]["Layers"]
    layers = json.loads(seeded.text("inspect", "seed"))[0]["RootFS"]["Layers"]
    assert layers[: len(base)] == base
    assert len(layers) == len(base) + 3


def test_the_container_reads_both_lines(seeded: Caller) -> None:
    assert seeded.text("run", "--rm", "seed", "cat", "hello.txt") == "test\naaaaaaaaabbbbbbbbbb"


def test_env_label_and_workdir_are_in_place(seeded: Caller) -> None:
    config = json.loads(seeded.text("inspect", "seed"))[0]["Config"]
    assert "BUILD_ENV=dev" in config["Env"]
    assert config["Labels"] == {"author": "xxx"}
    assert config["WorkingDir"] == "/app"
    assert seeded.text("run", "--rm", "seed", "sh", "-c", "echo $BUILD_ENV; pwd") == "dev\n/app"


def test_the_inline_comment_is_warned_of(caller: Caller, busybox_tar: Path) -> None:
    caller.cowl("import", str(busybox_tar), BASE)
    done = caller.cowl("build", "-t", "seed", str(context(caller)))
    said = done.stderr.decode()
    assert "Docker" in said
    assert "Dockerfile:8" in said
    assert "^" in said


def test_a_second_build_runs_nothing_and_gives_the_same_image(seeded: Caller) -> None:
    before = seeded.text("images", "-q", "--no-trunc", "seed")
    done = seeded.cowl("build", "-t", "seed", str(context(seeded)))
    assert done.stderr.decode().count("CACHED") == 3
    assert seeded.text("images", "-q", "--no-trunc", "seed") == before


def test_hello_was_copied_up_whole_into_the_layer_of_run(seeded: Caller) -> None:
    seeded.cowl("run", "--name", "writer", "seed", "sh", "-c", "echo more >> hello.txt; rm /etc/group")
    changes = seeded.text("diff", "writer").splitlines()
    assert changes == ["C /app", "C /app/hello.txt", "C /etc", "D /etc/group"]
    assert seeded.text("run", "--rm", "seed", "cat", "hello.txt") == "test\naaaaaaaaabbbbbbbbbb"
