"""A RUN that fails: what it found and left can be looked into, is counted, and goes by itself."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture
from tests.caller import Caller

from cowl.accounting.usage import usage
from cowl.accounting.walk import verify
from cowl.build.run_step import RunFailed
from cowl.store.failed_steps import MOST_STEPS
from cowl.store.recovery import FAILED_STEP_SECONDS

builder = as_fixture()

DOCKERFILE = """\
FROM base
ARG WORD=argument
ENV VALUE=environment
WORKDIR /w
RUN echo below > /below
USER node
RUN echo left > /tmp/left; exit 7
"""


def failing(builder: Builder, text: str = DOCKERFILE) -> RunFailed:
    with pytest.raises(RunFailed) as caught:
        builder.build(text)
    return caught.value


def test_the_commands_in_the_message_open_a_shell(caller: Caller, busybox_tar: Path) -> None:
    caller.cowl("import", str(busybox_tar), "base")
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    caller.give(context)
    said = caller.cowl("build", "-q", str(context), status=1).stderr.decode()
    commands = re.findall(r"^  cowl (run --rm -it .*)$", said, re.MULTILINE)
    assert len(commands) == 2, said
    look = "cat /below; cat /tmp/left 2>/dev/null; echo $WORD $VALUE $(pwd) $(id -u)"
    seen = []
    for command in commands:
        words = command.replace("-it", "-i").split()
        seen.append(caller.cowl(*words, stdin=look.encode()).stdout.decode().splitlines())
    rest = ["argument environment /w 1000"]
    assert seen == [["below", *rest], ["below", "left", *rest]]
    assert caller.text("images", "-aq").count("\n") == 0  # the base alone
    rows = [json.loads(line) for line in caller.text("system", "df", "--format", "json").splitlines()]
    (row,) = (each for each in rows if each["Type"] == "Failed Steps")
    assert row["TotalCount"] == "1"
    assert caller.text("system", "check") == "0 problems"
    caller.cowl("builder", "prune", "-f")
    assert "Failed" not in caller.text("system", "df")
    assert len(os.listdir(caller.store / "layers")) == 1
    caller.cowl(*commands[0].replace("-it", "-i").split(), status=125)


def test_figures_add_up_and_predict(builder: Builder) -> None:
    failed = failing(builder)
    assert failed.before.startswith("sha256:") and failed.after.startswith("sha256:")
    builder.close()
    from cowl.store.store import Store

    with Store.open(builder.config) as store:
        seen = usage(store)
        walk = verify(store.root)
        assert seen.total_allocated_bytes == walk.total_allocated_bytes
        (layer,) = (layer for layer in seen.layers if not (layer.images or layer.steps))
        assert (layer.owner, layer.failed_steps) == ("build cache", (failed.after,))
        kinds = [row.kind for row in seen.rows]
        assert kinds == ["Images", "Containers", "Local Volumes", "Build Cache", "Failed Steps"]
        cache, kept = seen.rows[3], seen.rows[4]
        assert kept.reclaimable_allocated_bytes == layer.allocated_bytes == kept.allocated_bytes
        shown = [("failed", failed.before), ("failed", failed.after)]
        assert seen.reclaimable(shown) == layer.allocated_bytes
        both = cache.reclaimable_allocated_bytes + kept.reclaimable_allocated_bytes
        assert store.steps.prune() == both, "they go together"
        assert store.check() == []


def test_a_second_failure_takes_the_place_of_the_first(builder: Builder) -> None:
    text = "FROM base\nRUN exit 1\n"
    failed = failing(builder, text)
    assert len(builder.store.rows().failed_steps) == 2
    again = failing(builder, text)
    assert (again.before, again.after) != ("", "")
    assert len(builder.store.rows().failed_steps) == 2
    key = builder.store.rows().failed_steps[0].step
    builder.store.failed_steps.forget("another")
    assert len(builder.store.rows().failed_steps) == 2
    builder.store.failed_steps.forget(key)
    assert builder.store.rows().failed_steps == ()
    assert len(builder.store.layers.list()) == 1
    assert failed.exit_code == 1


def test_a_success_of_the_same_step_drops_them(caller: Caller, busybox_tar: Path) -> None:
    """The network of the host is the one thing that a RUN sees and that is not in its key."""
    caller.cowl("import", str(busybox_tar), "base")
    context = caller.home / "context"
    context.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = f"FROM base\nRUN grep ' 0100007F:{port:04X} ' /proc/net/tcp && exit 9; true\n"
        (context / "Dockerfile").write_text(text)
        caller.give(context)
        caller.cowl("build", str(context), status=1)
    with sqlite3.connect(caller.store / "cowl.db") as database:
        assert database.execute("SELECT count(*) FROM failed_steps").fetchone() == (2,)
    database.close()
    caller.give(caller.store)
    caller.cowl("build", str(context))
    with sqlite3.connect(caller.store / "cowl.db") as database:
        assert database.execute("SELECT count(*) FROM failed_steps").fetchone() == (0,)
    database.close()
    caller.give(caller.store)


def test_they_go_after_a_day(builder: Builder) -> None:
    from cowl.store.store import Store

    failed = failing(builder)
    now = builder.store.rows().failed_steps[0].created_at
    builder.close()
    with Store.open(builder.config, clock=lambda: now + FAILED_STEP_SECONDS - 1) as store:
        assert len(store.rows().failed_steps) == 2
        store.images.tag(failed.after, "kept:1")
    with Store.open(builder.config, clock=lambda: now + FAILED_STEP_SECONDS + 1) as store:
        assert store.rows().failed_steps == ()
        assert [image.references for image in store.images.list() if image.id == failed.after] == [
            ("docker.io/library/kept:1",)
        ]
        with pytest.raises(Exception, match="No such image"):
            store.images.get(failed.before)
        assert store.check() == []


def test_only_the_newest_are_kept(builder: Builder) -> None:
    for number in range(MOST_STEPS + 2):
        failing(builder, f"FROM base\nRUN echo {number} > /x; exit 1\n")
    rows = builder.store.rows()
    assert len({row.step for row in rows.failed_steps}) == MOST_STEPS
    assert len(rows.layers) == 1 + MOST_STEPS


def test_without_a_shell_there_is_no_command(builder: Builder) -> None:
    failed = failing(builder, 'FROM base\nRUN ["/bin/busybox", "rm", "/bin/sh"]\nRUN ["/bin/false"]\n')
    assert failed.after and not failed.hint


def test_what_was_given_up_is_not_kept(builder: Builder) -> None:
    failing(
        builder,
        "FROM base AS a\nRUN echo x > /x; sleep 1000\nFROM base\nRUN sleep 0.2; exit 3\nCOPY --from=a / /\n",
    )
    assert len(builder.store.rows().failed_steps) == 2


def test_a_container_keeps_what_it_stands_on(caller: Caller, busybox_tar: Path) -> None:
    caller.cowl("import", str(busybox_tar), "base")
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM base\nRUN echo left > /left; exit 1\n")
    caller.give(context)
    said = caller.cowl("build", str(context), status=1).stderr.decode()
    image = re.findall(r"cowl run .* (\w+)$", said, re.MULTILINE)[1]
    caller.cowl("run", "--name", "box", "--entrypoint", "/bin/sh", image, "-c", "echo more > /more")
    caller.cowl("builder", "prune", "-f")
    assert caller.text("diff", "box") == "A /more"
    assert caller.text("system", "check") == "0 problems"
    caller.cowl("rm", "box")
    assert len(os.listdir(caller.store / "layers")) == 1
