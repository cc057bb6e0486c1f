"""The words of -v, what an image may declare, and the order in which all that is mounted."""

from __future__ import annotations

import pytest

from cowl.container.mounts import (
    BIND,
    DECLARED_LIMIT,
    VOLUME,
    DuplicateTarget,
    Mount,
    VolumeRefused,
    claims,
    fold_mounts,
    parse_mount,
    with_names,
)
from cowl.container.words import InvalidOptions
from cowl.store.volume_record import InvalidVolumeName


def volume(name: str, target: str, read_only: bool = False, copy: bool = True) -> Mount:
    return Mount(VOLUME, name, target, read_only, copy, named=bool(name))


def bind(source: str, target: str, read_only: bool = False) -> Mount:
    return Mount(BIND, source, target, read_only, make=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a:/b", bind("/a", "/b")),
        ("/a:/b:ro", bind("/a", "/b", True)),
        ("/a:/b:rw", bind("/a", "/b")),
        ("/a:/b:ro,z", bind("/a", "/b", True)),
        ("/a b:/c d", bind("/a b", "/c d")),
        ("/a:/b/../c/./d/", bind("/a", "/c/d")),
        ("data:/b", volume("data", "/b")),
        ("data:/b:ro", volume("data", "/b", read_only=True)),
        ("data:/b:nocopy", volume("data", "/b", copy=False)),
        ("data:/b:ro,nocopy", volume("data", "/b", read_only=True, copy=False)),
        ("v1.2_x-y:/b:z", volume("v1.2_x-y", "/b")),
        ("/b", volume("", "/b")),
        ("//b//c", volume("", "/b/c")),
    ],
)
def test_words(text: str, expected: Mount) -> None:
    assert parse_mount(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "/a:", ":/b", "/a:b", "/a:/", "/a:///", "/a:/b:wrong", "/a:/b:ro:x", "data:b", "/", "/..",
        "/foo:ro", "data", "data:/b:shared", "/a:/b:nocopy", "/a:/b:ro,rw", "./x:/b", "../x:/b",
        "data:/a\0b", "data:/..",
    ],
)  # fmt: skip
def test_words_that_are_none(text: str) -> None:
    with pytest.raises(InvalidOptions):
        parse_mount(text)


@pytest.mark.parametrize("text", ["a/b:/c", "-x:/c", "x:/c", "a b:/c", "a\n:/c"])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(InvalidVolumeName):
        parse_mount(text)


def test_from_the_root_downwards_and_the_callers_before_the_images() -> None:
    mounts = fold_mounts(["/a/b/c", "/x", "/var/lib"], ["data:/var/lib/db", "/var/lib", "/h:/a"])
    assert [(mount.target, mount.declared) for mount in mounts] == [
        ("/a", False), ("/x", True), ("/var/lib", False), ("/var/lib/db", False), ("/a/b/c", True)
    ]  # fmt: skip


def test_one_place_one_mount() -> None:
    with pytest.raises(DuplicateTarget, match="Duplicate mount point: /a"):
        fold_mounts([], ["data:/a", "/h:/b/../a/"])


@pytest.mark.parametrize(
    "path",
    [
        "relative",
        "../../etc",
        "/a/../../etc",
        "/",
        "//",
        "/.",
        "/proc",
        "/proc/self/fd/0",
        "/sys/fs",
        "/dev",
        "",
    ],
)
def test_what_an_image_may_not_declare(path: str) -> None:
    with pytest.raises(VolumeRefused):
        fold_mounts([path], [])


def test_an_image_declares_only_so_many() -> None:
    with pytest.raises(InvalidOptions, match="128 is the limit"):
        fold_mounts([f"/v{number}" for number in range(DECLARED_LIMIT + 1)], [])


def test_anonymous_volumes_get_names_of_their_own() -> None:
    mounts = with_names(fold_mounts(["/declared"], ["/asked", "data:/named", "/h:/bind"]))
    made = [claim.name for claim in claims(mounts) if claim.anonymous]
    assert len(set(made)) == 2 and all(len(name) == 64 for name in made)
    assert [(claim.target, claim.anonymous) for claim in claims(mounts)] == [
        ("/asked", True), ("/named", False), ("/declared", True)
    ]  # fmt: skip
