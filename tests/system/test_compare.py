"""cowl diff between any two things, and cowl diff of one container, which stays Docker's."""

from __future__ import annotations

import json

import pytest
from tests.caller import Caller


@pytest.fixture
def two(caller: Caller, busybox_tar: str) -> Caller:
    """Images one and two on a base, and a container of two."""
    caller.cowl("import", str(busybox_tar), "base")
    for name, line in (
        ("one", "RUN head -c 5000 /dev/zero > /a && echo same > /s"),
        ("two", "RUN head -c 9000 /dev/zero > /a && echo same > /s && rm /etc/group"),
    ):
        project = caller.home / name
        project.mkdir()
        (project / "Dockerfile").write_text(f"FROM base\n{line}\n")
        caller.give(project)
        caller.cowl("build", "-t", name, str(project))
    caller.cowl("run", "--name", "box", "two", "sh", "-c", r"rm /s; echo x > /tmp/$(printf '\377\033')")
    return caller


def rows(caller: Caller, *words: str) -> list[list[str]]:
    return [line.split() for line in caller.text("diff", *words).splitlines()]


def test_images_containers_layers_and_one_container(two: Caller) -> None:
    group = two.text("run", "--rm", "one", "stat", "-c", "%s", "/etc/group")
    found = json.loads(two.text("diff", "--json", "one", "two"))
    changes = {change["path"]: change for change in found["changes"]}
    assert changes["/a"]["what"][0] == "content"
    assert (changes["/a"]["before_bytes"], changes["/a"]["after_bytes"]) == (5000, 9000)
    assert (changes["/etc/group"]["kind"], changes["/etc/group"]["before_bytes"]) == ("D", int(group))
    assert found["delta_bytes"] == 4000 - int(group)
    assert (found["before"]["kind"], found["after"]["name"]) == ("image", "two")
    assert changes.keys() <= {"/a", "/etc/group", "/s"}  # the time of what both wrote may differ

    assert rows(two, "two", "box") == [
        ["BEFORE", "AFTER", "DELTA", "PATH"],
        ["D", "5B", "-", "-5B", "/s"],
        ["A", "-", "2B", "+2B", r"/tmp/\xff\x1b"],
        [*["1", "added,", "0", "changed,", "1", "deleted:"], *rows(two, "two", "box")[-1][6:]],
    ]
    layers = json.loads(two.text("explain", "--json", "one", "two"))
    top = layers["beside"]["other"]["layers"][-1]
    lone = json.loads(two.text("diff", "--json", layers["layers"][-1]["diff_id"], top["key"][:16]))
    assert lone["before"]["kind"] == "layer"
    assert {("A", "/etc/group", "whiteout")} <= {
        (each["kind"], each["path"], each["node"]) for each in lone["changes"]
    }
    assert rows(two, "base", "base")[-1][:6] == ["0", "added,", "0", "changed,", "0", "deleted:"]

    # of one container as Docker does
    raw = two.cowl("diff", "box").stdout
    assert raw == b"D /s\nC /tmp\nA /tmp/\xff\\x1b\n"
    assert [each["kind"] for each in json.loads(two.text("diff", "--json", "box"))] == ["D", "C", "A"]

    # of what is not there
    done = two.cowl("diff", "one", "nope", status=1)
    assert b"No such container, image, snapshot or layer: nope" in done.stderr
    assert b"No such container: one" in two.cowl("diff", "one", status=1).stderr
