"""--mount, --tmpfs and --device: their words, what contradicts itself, what is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cowl.container.devices import Device, NoSuchDevice, check_devices, parse_device
from cowl.container.fixtures import Fixtures, make_fixtures
from cowl.container.groups import NAMES, gather, read, written
from cowl.container.mount_fields import parse_fields
from cowl.container.mounts import DuplicateTarget, Mount, fold_mounts, parse_mount, parse_tmpfs
from cowl.container.words import InvalidOptions
from cowl.errors import CowlError

CLOSED = ("noexec", "nosuid", "nodev")


def fields(text: str) -> Mount:
    return parse_fields([(key, value) for key, _, value in (word.partition("=") for word in text.split(","))])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("src=data,dst=/a", Mount("volume", "data", "/a", named=True)),
        ("dst=/a,readonly=true,volume-nocopy=true", Mount("volume", "", "/a", True, False)),
        (
            "source=d1,destination=/a,volume-subpath=x/y",
            Mount("volume", "d1", "/a", False, False, named=True, subpath="x/y"),
        ),
        ("type=bind,src=/h:i,dst=/a:b,ro=1", Mount("bind", "/h:i", "/a:b", True)),
        (
            "type=bind,src=/h,dst=/a,bind-propagation=rslave,consistency=cached",
            Mount("bind", "/h", "/a", propagation="rslave"),
        ),
        ("type=bind,src=/h,dst=/a,bind-nonrecursive=true", Mount("bind", "/h", "/a", recursive=False)),
        ("type=bind,src=/h,dst=/a,bind-recursive=disabled", Mount("bind", "/h", "/a", recursive=False)),
        (
            "type=tmpfs,dst=/a,tmpfs-size=1.5m,tmpfs-mode=700,ro=true",
            Mount("tmpfs", "", "/a", True, options=(*CLOSED, "ro", "size=1572864", "mode=700")),
        ),
    ],
)  # fmt: skip
def test_mounts(text: str, expected: Mount) -> None:
    assert fields(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("src=data", "target is required"),
        ("src=data,dst=a", "not an absolute path"),
        ("type=bind,dst=/a", "field Source must not be empty"),
        ("type=bind,src=h,dst=/a", "mount path must be absolute"),
        ("type=tmpfs,src=/h,dst=/a", "field Source must not be specified"),
        ("src=/h,dst=/a", "the name of a volume"),
        ("type=nfs,dst=/a", "mount type unknown"),
        ("type=image,src=x,dst=/a", "mounts of type image are not supported"),
        ("src=data,dst=/a,volume-opt=x", "volume-opt is not supported"),
        ("src=data,dst=/a,volume-label=x", "volume-label is not supported"),
        ("src=data,dst=/a,volume-driver=nfs", "no volume driver but local"),
        (
            "type=bind,src=/h,dst=/a,volume-nocopy=true",
            "cannot mix 'volume-*' options with mount type 'bind'",
        ),
        ("src=data,dst=/a,tmpfs-size=1m", "cannot mix 'tmpfs-*' options with mount type 'volume'"),
        ("src=data,dst=/a,colour=red", "unexpected key 'colour'"),
        ("src=data,dst=/a,readonly=maybe", "invalid value for readonly: maybe"),
        ("type=bind,src=/h,dst=/a,bind-propagation=wide", "invalid propagation mode: wide"),
        ("type=bind,src=/h,dst=/a,bind-recursive=writable", "bind-recursive=writable is not supported"),
        ("type=bind,src=/h,dst=/a,bind-recursive=readonly", "requires 'readonly'"),
        ("type=bind,src=/h,dst=/a,consistency=odd", "invalid consistency"),
        ("src=data,dst=/a,volume-subpath=../x", "must be a relative path within the volume"),
        ("dst=/a,volume-subpath=x", "must not set Subpath when using anonymous volumes"),
        ("type=tmpfs,dst=/a,tmpfs-size=big", "invalid size 'big'"),
        ("type=tmpfs,dst=/a,tmpfs-mode=9", 'Invalid tmpfs option "mode=9"'),
    ],
)
def test_mounts_that_make_no_sense(text: str, why: str) -> None:
    with pytest.raises(CowlError) as caught:
        fields(text)
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("/run", CLOSED),
        (
            "/run:rw,exec,size=64m,mode=1770,uid=5,gid=6",
            ("nosuid", "nodev", "size=67108864", "mode=1770", "uid=5", "gid=6"),
        ),
        ("/run:ro,suid,size=50%", ("noexec", "nodev", "ro", "size=50%")),
        ("/run:exec,noexec,defaults", ("nosuid", "nodev", "noexec")),
    ],
)  # fmt: skip
def test_tmpfs(text: str, options: tuple[str, ...]) -> None:
    assert parse_tmpfs(text).options == options


@pytest.mark.parametrize(
    "text", ["run", "/run:dev", "/run:size", "/run:mode=rwx", "/run:wrong", "/", "/run:uid=-1"]
)
def test_tmpfs_that_is_none(text: str) -> None:
    with pytest.raises(InvalidOptions):
        parse_tmpfs(text)


def test_one_place_one_mount_whatever_the_option() -> None:
    for asked in (
        Fixtures(tmpfs=("/a",)),
        Fixtures(mounts=((("type", "tmpfs"), ("target", "/a")),)),
        Fixtures(mounts=((("type", "bind"), ("source", "/h"), ("target", "/b/../a")),)),
    ):
        with pytest.raises(DuplicateTarget, match="Duplicate mount point: /a"):
            fold_mounts([], ["data:/a"], asked)
    found = fold_mounts(["/a", "/b/c"], [], Fixtures(tmpfs=("/a", "/b")))
    assert [(mount.kind, mount.target) for mount in found] == [
        ("tmpfs", "/a"),
        ("tmpfs", "/b"),
        ("volume", "/b/c"),
    ]


def test_propagation_of_v() -> None:
    assert parse_mount("/a:/b:ro,rslave,z,cached").propagation == "rslave"
    for text in ("/a:/b:slave,shared", "/a:/b:cached,delegated", "data:/b:rslave"):
        with pytest.raises(InvalidOptions):
            parse_mount(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/fuse", Device("/dev/fuse", "/dev/fuse")),
        ("/dev/fuse:/dev/x", Device("/dev/fuse", "/dev/x")),
        ("/dev/fuse:rw", Device("/dev/fuse", "/dev/fuse")),
        ("/dev/fuse:/dev/x:mrw", Device("/dev/fuse", "/dev/x")),
    ],
)
def test_devices(text: str, expected: Device) -> None:
    assert parse_device(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/dev/fuse:/dev/x:rwx", "bad mode specified: rwx"),
        ("/dev/fuse:/dev/x:r", "can't be given for 'r' alone"),
        ("dev/fuse", "not an absolute path"),
        ("/a:/b:rw:c", "invalid device specification"),
    ],
)
def test_devices_that_are_none(text: str, why: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        parse_device(text)
    assert why in caught.value.message


def test_what_is_no_device_of_this_host() -> None:
    for path, why in (("/etc/passwd", "not a device node"), ("/dev/no-such", "no such file or directory")):
        with pytest.raises(NoSuchDevice, match=f'custom device "{path}": {why}'):
            check_devices([path])


def test_the_group_comes_back_from_a_row() -> None:
    given: dict[str, Any] = {
        "tmpfs": ["/a"],
        "mounts": [{"type": "bind", "source": "/a", "target": "/b", "readonly": True}],
        "devices": ("/dev/null",),
        "volumes_from": (),
    }
    asked = gather(dict(given))["fixtures"]
    assert asked == make_fixtures(**given)
    assert asked.mounts == ((("type", "bind"), ("source", "/a"), ("target", "/b"), ("readonly", "true")),)
    kept = json.loads(json.dumps(written({**dict.fromkeys(NAMES), "fixtures": asked})))
    assert read(kept)["fixtures"] == asked
    wrongs: tuple[dict[str, Any], ...] = (
        {"tmpfs": "/a"},
        {"mounts": {"type": "bind"}},
        {"mounts": ["type=bind"]},
    )
    for wrong in wrongs:
        with pytest.raises(InvalidOptions):
            make_fixtures(**wrong)
