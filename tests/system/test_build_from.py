"""FROM and COPY --from: stages in any order, images, named contexts of every kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture
from tests.caller import Caller
from tests.interop.oci_tools import save_layout

from cowl.build.context import NoContext
from cowl.build.remote.git_program import GitFailed
from cowl.build.sources import SourceNotFound
from cowl.errors import CowlError, NotFound
from cowl.transfer.read_layout import LayoutDamaged, NoLayout

builder = as_fixture()


def folder(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def test_copy_from_an_image(builder: Builder) -> None:
    other = builder.build("FROM base\nCOPY --chown=5:6 <<o /opt/o\nother\no\n", tags=("other",))
    text = "FROM scratch\nCOPY --from=other /opt/ /x/\nCOPY --from=base /etc/passwd /\n"
    built = builder.build(text)
    assert built.owner("/x/o") == (5, 6, 0o644)
    assert built.text("/passwd").startswith("root:")
    assert builder.build(text).misses == []
    assert builder.build(text.replace("=other", f"={other.record.id}")).misses == []
    with pytest.raises(SourceNotFound, match="not found in the image other"):
        builder.build("FROM scratch\nCOPY --from=other /nope /\n")


def test_an_image_that_nobody_has(builder: Builder) -> None:
    with pytest.raises(NotFound) as caught:
        builder.build("FROM base AS build\nFROM scratch\nCOPY --from=biuld /a /\n")
    assert "Dockerfile:3:13: " in caught.value.message
    assert caught.value.hint == "Did you mean the stage build?"
    with pytest.raises(NotFound) as caught:
        builder.build("FROM late\nFROM base AS late\n", target="0")
    assert "Dockerfile:1:6: " in caught.value.message
    assert "begins on line 2" in caught.value.hint


def test_a_stage_below_may_be_copied_from(builder: Builder) -> None:
    built = builder.build(
        "FROM base AS one\nCOPY --from=two /x /x\nFROM base AS two\nRUN echo two > /x\nFROM one\n"
    )
    assert built.text("/x") == "two\n"


def test_copy_from_scratch_has_nothing(builder: Builder) -> None:
    with pytest.raises(SourceNotFound, match="scratch, which is empty"):
        builder.build("FROM base\nCOPY --from=scratch /a /\n")


def test_a_directory_as_context(builder: Builder, tmp_path: Path) -> None:
    extra = folder(tmp_path / "extra", a="a", b="b", **{".dockerignore": "b\n"})
    text = "FROM base\nCOPY --from=extra . /x/\n"
    contexts = (("extra", str(extra)),)
    built = builder.build(text, build_contexts=contexts)
    assert built.text("/x/a") == "a"
    assert built.view.lookup("/x/b") is None
    assert builder.build(text, build_contexts=contexts).misses == []
    (extra / "a").write_text("new")
    assert builder.build(text, build_contexts=contexts).misses == [2]
    with pytest.raises(SourceNotFound, match="the context extra"):
        builder.build("FROM base\nCOPY --from=extra b /\n", build_contexts=contexts)


def test_a_link_of_a_named_context_never_leaves_it(builder: Builder, tmp_path: Path) -> None:
    extra = folder(tmp_path / "extra")
    (tmp_path / "secret").write_text("secret")
    (extra / "link").symlink_to("../secret")
    with pytest.raises(SourceNotFound):
        builder.build("FROM base\nCOPY --from=extra link /\n", build_contexts=(("extra", str(extra)),))


def test_a_directory_as_base(builder: Builder, tmp_path: Path) -> None:
    extra = folder(tmp_path / "extra", a="a")
    built = builder.build("FROM node:99\nENV A=b\n", build_contexts=(("node:99", str(extra)),))
    assert built.text("/a") == "a"
    assert built.layers == [(1, 1)]
    again = builder.build("FROM node:99\nENV A=b\n", build_contexts=(("node:99", str(extra)),))
    assert again.record.id == built.record.id


def test_an_image_in_the_place_of_another(builder: Builder) -> None:
    builder.build("FROM base\nRUN echo mine > /mine\n", tags=("mine:1",))
    contexts = (("alpine", "docker-image://mine:1"),)
    built = builder.build("FROM alpine:latest\nCOPY --from=alpine /mine /copy\n", build_contexts=contexts)
    assert built.text("/copy") == built.text("/mine") == "mine\n"


def test_a_context_in_the_place_of_a_stage(builder: Builder, tmp_path: Path) -> None:
    extra = folder(tmp_path / "extra", out="ready\n")
    text = "FROM base AS build\nRUN exit 1\nFROM base\nCOPY --from=build /out /\n"
    assert builder.build(text, build_contexts=(("build", str(extra)),)).text("/out") == "ready\n"


def test_a_layout(builder: Builder, tmp_path: Path) -> None:
    made = builder.build("FROM base\nRUN echo mine > /mine\nONBUILD ENV X=y\n", tags=("mine:1",))
    layout = tmp_path / "layout"
    save_layout(builder.store, made.record, layout, "app:v1")
    other = Builder(folder(tmp_path / "elsewhere"))
    try:
        for value in (
            "",
            ":v1",
            "@" + json.loads((layout / "index.json").read_text())["manifests"][0]["digest"],
        ):
            contexts = (("some/base", f"oci-layout://{layout}{value}"),)
            built = other.build(
                "FROM some/base\nCOPY --from=some/base /mine /copy\n", build_contexts=contexts
            )
            assert built.text("/copy") == "mine\n"
            assert "X=y" in built.config.config.env
            assert built.record.layer_keys[:2] == made.record.layer_keys
        with pytest.raises(NoLayout, match="no such image") as caught:
            other.build("FROM b\n", build_contexts=(("b", f"oci-layout://{layout}:v2"),))
        assert "Dockerfile:1:6" in caught.value.message
        assert caught.value.hint == "It has: v1"
    finally:
        other.close()


def test_a_damaged_layout_is_not_believed(builder: Builder, tmp_path: Path) -> None:
    made = builder.build("FROM base\nRUN echo mine > /mine\n")
    layout = tmp_path / "layout"
    manifest = save_layout(builder.store, made.record, layout)
    blob = layout / "blobs" / "sha256" / manifest.layers[-1].digest.hex
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    other = Builder(folder(tmp_path / "elsewhere"))
    try:
        with pytest.raises(LayoutDamaged, match="not what its digest says"):
            other.build("FROM b\n", build_contexts=(("b", f"oci-layout://{layout}"),))
        blob.unlink()
        blob.symlink_to("/etc/passwd")
        with pytest.raises(CowlError):
            other.build("FROM b\n", build_contexts=(("b", f"oci-layout://{layout}"),))
        assert other.store.images.list() == ()
        assert other.leftovers() == []
    finally:
        other.close()


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("/no/such", NoContext),
        ("oci-layout:///no/such", NoLayout),
        ("docker-image://no/such", NotFound),
        ("http://127.0.0.1:1/x.git", GitFailed),
    ],
)
def test_contexts_that_are_not_there(builder: Builder, value: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        builder.build("FROM b\n", build_contexts=(("b", value),))


def test_the_command_line(caller: Caller) -> None:
    context = folder(caller.home / "context", Dockerfile="FROM scratch\nCOPY --from=extra x /\n")
    folder(caller.home / "extra", x="x")
    caller.give(caller.home)
    caller.cowl("build", "--build-context", "extra=extra", "-t", "made", str(context))
    assert "COPY x /" in caller.text("history", "made")
    failed = caller.cowl("build", "--build-context", "extra", str(context), status=None)
    assert failed.returncode != 0
    assert b"it has no value" in failed.stderr


@pytest.mark.parametrize("lines", ["FROM --platform=a/b/c/d base", "FROM --platform=$P scratch\nCOPY a /"])
def test_a_platform_that_is_none(builder: Builder, lines: str) -> None:
    builder.file("a")
    with pytest.raises(CowlError) as caught:
        builder.build(f"ARG P=a/b/c/d\n{lines}\n")
    assert "Dockerfile:2:17: " in caught.value.message


def test_scratch_of_another_platform(builder: Builder) -> None:
    builder.file("a")
    built = builder.build(
        "ARG A=s390x\nFROM --platform=linux/$A scratch\nARG TARGETARCH\nCOPY a /$TARGETARCH/\n"
    )
    assert built.config.architecture == "s390x"
    assert built.view.lookup("/s390x") is None  # TARGETARCH is what the build is for, not the stage
