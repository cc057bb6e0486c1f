"""--squash and --squash-from: one layer that shows the same files, and a step cache as before."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.building import Builder, Built, as_fixture
from tests.caller import Caller

from cowl.build.squash import NoSuchStep

builder = as_fixture()

DOCKERFILE = """\
FROM base
RUN mkdir -p /d/sub /gone && echo one > /d/a && echo big > /d/big && ln /d/a /d/hard && chown 7:8 /d
COPY --chown=1000:2000 x /d/
ENV A=b
RUN rm /d/big /etc/group && rm -r /gone && rm -r /root && mkdir /root && echo new > /root/file
RUN rm -r /tmp && echo file > /tmp && rm /bin/vi && mkdir /bin/vi && echo two > /d/b && chmod 700 /d/sub
WORKDIR /w
RUN ln -s /d link && mkfifo fifo && rm /d/b && echo three > /d/b && chmod 4755 /d/x
"""


def files(built: Built) -> dict[str, Any]:
    """All that an image shows, by path; hard links by their first name."""
    found: dict[str, Any] = {}
    inodes: dict[tuple[int, int], str] = {}
    pending = [built.node("/")]
    while pending:
        node = pending.pop()
        owner = built.owner(node.path) if node.path != "/" else ()
        inode = (node.status.st_dev, node.status.st_ino)
        first = inodes.setdefault(inode, node.path) if node.is_file else ""
        text = Path(node.host_path).read_bytes() if node.is_file else node.target
        found[node.path] = (node.kind, owner, first, text, node.path == "/" or node.status.st_mtime_ns)
        if node.is_directory:
            pending += reversed(list(built.view.children(node)))
    return found


def test_one_layer_shows_the_same(builder: Builder) -> None:
    builder.file("x", "xx", 0o755)
    plain = builder.build(DOCKERFILE)
    squashed = builder.build(DOCKERFILE, squash=True)
    assert squashed.misses == []
    assert (len(plain.layers), len(squashed.layers)) == (7, 2)
    assert files(squashed) == files(plain)
    new = sum(size for size, _ in plain.layers[1:])
    assert squashed.layers[1][0] == len("one\n" + "xx" + "new\n" + "file\n" + "/d" + "three\n") < new
    assert builder.store.check() == []
    again = builder.build(DOCKERFILE, squash=True)
    assert again.record.id == squashed.record.id
    assert builder.build(DOCKERFILE).record.id == plain.record.id


def test_the_history_is_dockers(builder: Builder) -> None:
    builder.file("x", "xx", 0o755)
    plain = builder.build(DOCKERFILE)
    squashed = builder.build(DOCKERFILE, squash=True)
    added = squashed.config.history[1:]
    assert [entry.created_by for entry in added] == [*plain.told, ""]
    assert all(entry.empty_layer for entry in added[:-1])
    base = builder.store.images.find("base")
    assert added[-1].comment == f"merge {plain.record.id} to {base.id}"
    assert not added[-1].empty_layer
    assert len(squashed.config.diff_ids) == 2
    builder.file("y", "y")
    empty = builder.build("FROM scratch\nCOPY x /\nCOPY y /\n", squash=True)
    assert empty.config.history[-1].comment.startswith("create new from sha256:")
    assert len(empty.layers) == 1


def test_from_a_step_on(builder: Builder) -> None:
    builder.file("x", "xx", 0o755)
    plain = builder.build(DOCKERFILE)
    squashed = builder.build(DOCKERFILE, squash_from=4)
    assert squashed.record.layer_keys[:3] == plain.record.layer_keys[:3]
    assert len(squashed.layers) == 4
    assert files(squashed) == files(plain)
    assert squashed.config.history[-1].comment == f"merge {plain.record.id} from step 4"
    layers = [entry for entry in squashed.config.history[1:] if not entry.empty_layer]
    assert len(layers) == 3
    assert (
        builder.build(DOCKERFILE, squash_from=2).record.layer_keys[1:]
        == (builder.build(DOCKERFILE, squash=True).record.layer_keys[1:])
    )
    for number in (1, 8, 99, -1):
        with pytest.raises(NoSuchStep, match=f"step {number} makes no layer") as caught:
            builder.build(DOCKERFILE, squash_from=number)
        assert "2, 3, 4, 5, 6, 7" in caught.value.hint


def test_nothing_to_squash(builder: Builder) -> None:
    text = "FROM base\nRUN echo x > /x\nLABEL a=b\n"
    plain = builder.build(text)
    assert builder.build(text, squash=True).record.id == plain.record.id
    assert builder.build("FROM base\n", squash=True).record.layer_keys == plain.record.layer_keys[:1]


def test_of_a_stage_on_a_stage(builder: Builder) -> None:
    text = "FROM base AS one\nRUN echo 1 > /1\nFROM base AS no\nRUN echo 2 > /2\n"
    text += "FROM one\nRUN rm /1\nRUN echo 3 > /3\n"
    built = builder.build(text, squash=True)
    assert len(built.layers) == 2
    assert built.layers[1] == (2, 1)
    assert builder.build(text, squash_from=4).layers[1:] == [(2, 1), (2, 1)]


def test_at_an_epoch_it_is_the_same_everywhere(builder: Builder, tmp_path: Path, busybox_tar: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Builder(tmp_path / "other")
    other.add_base(busybox_tar)
    try:
        found = set()
        for each in (builder, other):
            each.file("x", "xx", 0o755)
            found.add(each.build(DOCKERFILE, squash=True, timestamp=1_600_000_000).record.id)
        assert len(found) == 1
    finally:
        other.close()


def test_through_the_command_line(caller: Caller, busybox_tar: Path) -> None:
    caller.cowl("import", str(busybox_tar), "base")
    context = caller.home / "context"
    context.mkdir()
    (context / "x").write_text("xx")
    (context / "Dockerfile").write_text(DOCKERFILE)
    caller.give(context)
    caller.cowl("build", "-t", "plain", str(context))
    caller.cowl("build", "-t", "all", "--squash", str(context))
    said = caller.cowl("build", "-t", "some", "--squash-from", "4", str(context)).stderr
    assert said.count(b"CACHED") == 6
    shown = [json.loads(caller.text("inspect", name))[0] for name in ("all", "some")]
    counts = [len(each["RootFS"]["Layers"]) for each in shown]
    assert counts == [2, 4]
    look = "find / -xdev -exec stat -c '%n %a %u %g %F' {} + | sort; cat /d/* /root/file; ls -d /tmp /bin/vi"
    looks = [caller.text("run", "--rm", name, "sh", "-c", look) for name in ("plain", "all", "some")]
    assert looks[0] == looks[1] == looks[2]
    assert caller.text("system", "check") == "0 problems"
    assert os.listdir(caller.store / "staging") == []
    refused = caller.cowl("build", "--squash", "--cache-to", "type=inline", str(context), status=1).stderr
    assert b"can't be a cache" in refused
