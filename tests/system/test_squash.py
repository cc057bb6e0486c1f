"""squash: a range of layers as one, the others shared, the step cache as it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller

DOCKERFILE = """\
FROM base:1
RUN mkdir -p /d/sub /gone; head -c 100000 /dev/zero > /d/big; echo one > /d/a; ln /d/a /d/hard
RUN rm /d/big /etc/group; rm -r /gone /root; mkdir /root; echo new > /root/file; chown 7:8 /d
ENV A=b
RUN rm -r /tmp; echo file > /tmp; rm /bin/vi; mkdir /bin/vi; echo two > /d/b; chmod 700 /d/sub
RUN rm /d/b; echo three > /d/b; chmod 4755 /d/a
"""


@pytest.fixture
def built(caller: Caller, busybox_tar: Path) -> Caller:
    """An image of five layers: `app`."""
    caller.cowl("import", str(busybox_tar), "base:1")
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    caller.give(context)
    caller.cowl("build", "-q", "-t", "app", str(context))
    return caller


def exported(caller: Caller, image: str) -> str:
    """What a container of the image holds: the hash of its tar."""
    caller.cowl("run", "--name", "look", image, "true")
    tar = caller.cowl("export", "look").stdout
    caller.cowl("rm", "look")
    return hashlib.sha256(tar).hexdigest()


def inspect(caller: Caller, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(caller.text("image", "inspect", image))[0]
    return found


def layers(caller: Caller, image: str) -> list[str]:
    found: list[str] = inspect(caller, image)["RootFS"]["Layers"]
    return found


@pytest.mark.parametrize("limits", [(1, 5), (2, 4)])
def test_a_range_shows_the_same(built: Caller, limits: tuple[int, int]) -> None:
    first, last = limits
    old = layers(built, "app")
    new = built.text("squash", "--from", str(first), "--to", str(last), "-t", "small", "app")
    assert exported(built, "small") == exported(built, "app")
    made = layers(built, "small")
    assert (made[: first - 1], made[first:]) == (old[: first - 1], old[last:])
    about, before = inspect(built, "small"), inspect(built, "app")
    assert about["Id"] == new
    assert about["Config"] == before["Config"]
    assert about["Size"] < before["Size"]
    assert built.text("system", "check") == "0 problems"


def test_what_is_said_of_it(built: Caller) -> None:
    size = inspect(built, "app")["Size"]
    done = built.cowl("squash", "--from", "2", "-t", "small", "app")
    smaller = size - inspect(built, "small")["Size"]
    assert 100_000 < smaller < 100_100
    assert b"4 layers became one: 100kB smaller, " in done.stderr
    rows = [json.loads(line) for line in built.text("history", "--format", "json", "small").splitlines()]
    assert rows[0]["CreatedBy"] == "cowl squash --from 2 --to 5"
    comment = rows[0]["Comment"]
    assert comment.startswith("4 layers: RUN /bin/sh -c mkdir -p /d/sub")
    assert [row["CreatedBy"].split()[0] for row in rows[1:-1]] == ["ENV"]
    assert built.cowl("squash", "-q", "app").stderr == b""


def test_the_step_cache_is_kept(built: Caller) -> None:
    new = built.text("squash", "-t", "app", "app")
    said = built.cowl("build", "--progress", "plain", "-t", "again", str(built.home / "context")).stderr
    assert said.count(b"CACHED") == 4
    assert built.text("image", "inspect", "--format", "{{.Id}}", "app") == new
    built.cowl("rmi", "app")
    assert exported(built, "again")


def test_what_is_refused(built: Caller) -> None:
    for flags, why in (
        (("--from", "0"), b"app has no layers 0 to 5"),
        (("--to", "6"), b"app has no layers 1 to 6"),
        (("--from", "9"), b"app has no layer 9"),
        (("--from", "4", "--to", "2"), b"app has no layers 4 to 2"),
        (("--from", "5"), b"layer 5 of app is one already"),
    ):
        assert why in built.cowl("squash", *flags, "app", status=1).stderr
    assert b"No such image" in built.cowl("squash", "nothing", status=1).stderr
