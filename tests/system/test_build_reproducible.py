"""The same context, base and epoch give the same image: cold and warm, in any store, for any user."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture
from tests.caller import Caller

from cowl.oci.image_config import ImageConfig

builder = as_fixture()

EPOCH = 1_600_000_000
DOCKERFILE = """\
FROM base AS made
WORKDIR /src
COPY . .
RUN mkdir -p /out/deep && date > /dev/null && cp run.sh d/x /out/deep/ && ln /out/deep/x /out/hard
RUN touch -t 200102030405 /out/old && ln -s deep /out/link && rm /etc/group && echo x > "/out/ü"
FROM base
ARG SOURCE_DATE_EPOCH
LABEL a=b
WORKDIR /app/sub
COPY --chown=1000:1000 d /app/
COPY --from=made /out /out
RUN echo $SOURCE_DATE_EPOCH > /epoch; rm -r /root; mkdir /root
USER node
RUN echo mine > /tmp/mine
CMD ["sh"]
"""


def fill(root: Path, umask: int, mtime: int) -> None:
    """A checkout as somebody else has it."""
    before = os.umask(umask)
    try:
        (root / "d").mkdir(parents=True, exist_ok=True)
        for name, text, mode in (("a", "a", 0o666), ("d/x", "xx", 0o666), ("run.sh", "#!/bin/sh\n", 0o777)):
            (root / name).write_text(text)
            (root / name).chmod(mode & ~umask)
        (root / "link").unlink(missing_ok=True)
        (root / "link").symlink_to("a")
        (root / "Dockerfile").write_text(DOCKERFILE)
    finally:
        os.umask(before)
    for name in ("a", "d/x", "run.sh", "Dockerfile", "link", "d", "."):
        os.utime(root / name, (mtime, mtime), follow_symlinks=False)
    root.chmod(0o777 & ~umask)


@pytest.fixture
def other(tmp_path: Path, busybox_tar: Path) -> Iterator[Builder]:
    (tmp_path / "other").mkdir()
    made = Builder(tmp_path / "other")
    made.add_base(busybox_tar)
    yield made
    made.close()


def test_in_two_stores_from_two_checkouts(builder: Builder, other: Builder) -> None:
    fill(builder.context, 0o022, 1_700_000_000)
    fill(other.context, 0o077, 1_500_000_000)
    args = {"SOURCE_DATE_EPOCH": str(EPOCH)}
    first = builder.build(DOCKERFILE, args=args)
    assert builder.build(DOCKERFILE, args=args).misses == []
    before = os.umask(0o077)
    try:
        second = other.build(DOCKERFILE, timestamp=EPOCH)
    finally:
        os.umask(before)
    assert second.config == first.config
    assert second.record.id == first.record.id
    again = other.build(DOCKERFILE, args=args, no_cache=True)
    assert again.record.id == first.record.id
    created = "2020-09-13T12:26:40Z"
    assert {entry.created for entry in first.config.history[1:]} == {created} == {first.config.created}
    assert first.config.history[0].created == "2020-01-01T00:00:00Z"
    assert first.text("/epoch") == f"{EPOCH}\n"


def test_nothing_new_is_later_than_the_epoch(builder: Builder) -> None:
    fill(builder.context, 0o022, 1_700_000_000)
    built = builder.build(DOCKERFILE, timestamp=EPOCH)
    for path in ("/app", "/app/sub", "/app/x", "/out/deep/run.sh", "/out", "/epoch", "/root", "/tmp"):
        assert built.node(path).status.st_mtime == EPOCH, path
    assert built.node("/out/old").status.st_mtime < EPOCH
    assert built.node("/bin/busybox").status.st_mtime != EPOCH
    layer = builder.store.directory.diff(built.record.layer_keys[-1])
    assert os.stat(layer).st_mtime <= EPOCH


def test_the_epoch_is_among_the_inputs_of_files_alone(builder: Builder) -> None:
    fill(builder.context, 0o022, 1_700_000_000)
    text = "FROM base\nCOPY a /\nRUN echo x > /x\n"
    plain = builder.build(text)
    early = builder.build(text, timestamp=EPOCH)
    late = builder.build(text, timestamp=EPOCH + 1)
    assert len({built.record.layer_keys[1:] for built in (plain, early, late)}) == 3
    assert plain.misses == early.misses == late.misses == [2, 3]
    for built in (plain, early, late):
        assert built.record.layer_keys[0] == plain.record.layer_keys[0]
    labels = "FROM base\nENV A=b\n"
    first = builder.build(labels, timestamp=EPOCH)
    assert builder.build(labels, timestamp=EPOCH).record.id == first.record.id
    assert builder.build(labels, timestamp=EPOCH + 1).record.id != first.record.id
    assert builder.build(labels, args={"SOURCE_DATE_EPOCH": ""}).config.created != first.config.created


def test_as_root_and_as_anybody(root_caller: Caller, ordinary_caller: Caller, busybox_tar: Path) -> None:
    """Through the command line, which takes the epoch from its environment."""
    seen = []
    for number, caller in enumerate((root_caller, ordinary_caller)):
        caller.cowl("import", "-m", "base", str(busybox_tar), "imported")
        context = caller.home / "context"
        context.mkdir()
        layer = caller.text("inspect", "-f", "{{json .RootFS.Layers}}", "imported")
        fill(context, (0o022, 0o002)[number], 1_700_000_000 + number)
        caller.give(context)
        text = DOCKERFILE.replace("FROM base", "FROM imported")
        (context / "Dockerfile").write_text(text)
        caller.cowl("build", "-t", "one", str(context), env={"SOURCE_DATE_EPOCH": str(EPOCH)})
        caller.cowl("build", "-t", "two", "--timestamp", str(EPOCH), str(context))
        shown = json.loads(caller.text("inspect", "one"))[0]
        assert caller.text("inspect", "-f", "{{.Id}}", "two") == shown["Id"]
        seen.append((layer, shown["RootFS"], shown["Created"]))
    assert seen[0] == seen[1]
    said = root_caller.cowl("build", "--timestamp", "now", str(context), status=1).stderr.decode()
    assert "--timestamp takes seconds since 1970-01-01, not 'now'" in said
    bad = root_caller.cowl("build", str(context), status=1, env={"SOURCE_DATE_EPOCH": "now"}).stderr.decode()
    assert "SOURCE_DATE_EPOCH is no time: 'now'" in bad and "git log" in bad


def test_a_config_without_an_epoch_keeps_its_form(builder: Builder) -> None:
    built = builder.build("FROM base\nRUN echo x > /x\n")
    assert ImageConfig.parse(built.record.config_bytes).created.endswith("Z")
    assert len(built.config.created) == len("2024-05-06T07:08:09.123456Z")
