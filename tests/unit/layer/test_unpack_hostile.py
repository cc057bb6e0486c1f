"""Threats 1 to 5: layers that want out of their directory. A typed error, and the canary unharmed."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from tests.unit.layer.tars import as_user, entry, folder, hardlink, snapshot, symlink, tar

from cowl.layer.ownership import for_euid
from cowl.layer.recipe import assemble
from cowl.layer.tar_fields import BadLayer
from cowl.layer.unpack import unpack
from cowl.layer.view import MergedView


def attempt(place: Path, user: str, data: bytes, below: MergedView | None = None) -> Path:
    """Unpacks as `user`; gives the diff directory."""
    layer = place / "layer"
    layer.mkdir()
    layer.chmod(0o777)

    def work() -> None:
        (layer / "diff").mkdir()
        unpack(io.BytesIO(data), str(layer / "diff"), owners=for_euid(os.geteuid()), below=below)

    as_user(user, work)
    return layer / "diff"


ESCAPES = {
    "parent": lambda out: tar(entry("../canary/file", b"x")),
    "deep parent": lambda out: tar(folder("a"), entry("a/../../canary/file", b"x")),
    "absolute parent": lambda out: tar(entry("/../canary/file", b"x")),
    "link to root": lambda out: tar(symlink("a", "/"), entry(f"a{out}/file", b"x")),
    "absolute link": lambda out: tar(symlink("a", out), entry("a/file", b"x")),
    "relative link": lambda out: tar(symlink("a", "../../canary"), entry("a/file", b"x")),
    "link to a link": lambda out: tar(symlink("a", out), symlink("b", "a"), entry("b/file", b"x")),
    "link below a directory": lambda out: tar(folder("d"), symlink("d/a", out), entry("d/a/sub/new", b"x")),
    "link made a parent": lambda out: tar(folder("d"), symlink("d", "../../canary"), entry("d/file", b"x")),
    "root is a link": lambda out: tar(symlink(".", out), entry("file", b"x")),
    "root is a file": lambda out: tar(entry("./", b"", kind=tarfile.REGTYPE)),
    "root is a hard link": lambda out: tar(entry("f"), hardlink("./", "f")),
    "directory through a link": lambda out: tar(symlink("a", out), folder("a/sub", mode=0o777)),
    "link through a link": lambda out: tar(symlink("a", out), symlink("a/new", "x")),
    "fifo through a link": lambda out: tar(symlink("a", out), entry("a/new", kind=tarfile.FIFOTYPE)),
    "whiteout through a link": lambda out: tar(symlink("a", out), entry("a/.wh.file")),
    "opaque through a link": lambda out: tar(symlink("a", out), entry("a/.wh..wh..opq")),
    "hard link outside": lambda out: tar(hardlink("a", "../canary/file")),
    "hard link to an absolute name": lambda out: tar(hardlink("a", f"{out}/file")),
    "hard link through a link": lambda out: tar(symlink("d", out), hardlink("a", "d/file")),
    "hard link to a directory": lambda out: tar(folder("d"), hardlink("a", "d")),
    "hard link to itself": lambda out: tar(entry("a", b"x"), hardlink("a", "a")),
    "hard link over its parent": lambda out: tar(folder("d"), entry("d/f", b"x"), hardlink("d", "d/f")),
    "hard link to a whiteout": lambda out: tar(entry(".wh.a"), hardlink("b", "a")),
    "hard link to a whiteout's name": lambda out: tar(entry(".wh.a"), hardlink("b", ".wh.a")),
    "hard link to the root": lambda out: tar(hardlink("b", "/")),
    "whiteout of nothing": lambda out: tar(entry(".wh.")),
    "whiteout of .": lambda out: tar(entry(".wh..")),
    "whiteout of ..": lambda out: tar(entry(".wh...")),
    "whiteout of .. below": lambda out: tar(folder("d"), entry("d/.wh...")),
    "below a whiteout": lambda out: tar(entry(".wh.d/f", b"x")),
    "opaque outside": lambda out: tar(entry("../canary/.wh..wh..opq")),
    "below a file": lambda out: tar(entry("f", b"x"), entry("f/g", b"x")),
    "no name": lambda out: tar(entry("", b"x")),
    "long name": lambda out: tar(entry("x" * 256, b"x")),
    "long path": lambda out: tar(entry("/".join(["x" * 200] * 25), b"x")),
    "deep path": lambda out: tar(entry("/".join("x" * 2000), b"x")),
    "long link": lambda out: tar(symlink("a", "x" * 4096)),
    "empty link": lambda out: tar(symlink("a", "")),
    "unknown type": lambda out: tar(entry("a", kind=b"Z")),
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_escapes_are_refused(place: Path, canary: Path, user: str, escape: str) -> None:
    with pytest.raises(BadLayer) as caught:
        attempt(place, user, ESCAPES[escape](str(canary)))
    assert str(caught.value).startswith("bad layer: ")


HARMLESS = {
    "absolute name": lambda out: (tar(entry("/x", b"x")), ["x"]),
    "dot names": lambda out: (tar(folder("./a/."), entry("./a//b/../c", b"x")), ["a", "a/c"]),
    "metadata of a link": lambda out: (
        tar(symlink("a", f"{out}/file", mode=0o777, mtime=1, uid=5, gid=6)),
        ["a"],
    ),
    "link replaced by a directory": lambda out: (
        tar(symlink("a", out), folder("a"), entry("a/f")),
        ["a", "a/f"],
    ),
    "link replaced by a file": lambda out: (
        tar(symlink("file", f"{out}/file"), entry("file", b"x")),
        ["file"],
    ),
    "directory replaced by a link": lambda out: (tar(folder("d"), entry("d/f"), symlink("d", out)), ["d"]),
    "hard link to a link": lambda out: (tar(symlink("a", f"{out}/file"), hardlink("b", "a")), ["a", "b"]),
    "legacy aufs names": lambda out: (
        tar(entry(".wh..wh.aufs"), folder(".wh..wh.plnk"), entry(".wh..wh.plnk/1.2", b"x"), entry("f")),
        ["f"],
    ),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_odd_layers_stay_inside(place: Path, canary: Path, user: str, case: str) -> None:
    data, names = HARMLESS[case](str(canary))
    diff = attempt(place, user, data)
    assert sorted(snapshot(str(diff))) == sorted([".", *names])


def test_dangling_links_are_not_written_through(place: Path, canary: Path, user: str) -> None:
    diff = attempt(place, user, tar(symlink("a", str(canary / "new")), entry("a", b"x")))
    assert (diff / "a").read_bytes() == b"x"
    assert not (diff / "a").is_symlink()


def test_links_of_layers_below_lead_inside_only(place: Path, canary: Path, user: str) -> None:
    base = place / "base"
    base.mkdir()
    os.symlink(str(canary), base / "out")
    os.symlink("../../../canary", base / "up")
    os.symlink("loop", base / "loop")
    view = MergedView((str(base),))
    diff = attempt(place, user, tar(entry("out/file", b"x"), entry("up/file", b"y")), view)
    assert (diff / str(canary).lstrip("/") / "file").read_bytes() == b"x"
    assert (diff / "canary" / "file").read_bytes() == b"y"


def test_a_loop_below_is_refused(place: Path, user: str) -> None:
    (place / "base").mkdir()
    os.symlink("loop", place / "base" / "loop")
    from cowl.layer.view import TooManyLinks

    with pytest.raises((BadLayer, TooManyLinks)):
        attempt(place, user, tar(entry("loop/file", b"x")), MergedView((str(place / "base"),)))


def test_no_device_is_made(place: Path, user: str) -> None:
    data = tar(
        folder("dev"),
        entry("dev/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("dev/zero", kind=tarfile.CHRTYPE, devmajor=0, devminor=0),
        entry("dev/sda", kind=tarfile.BLKTYPE, devmajor=8, devminor=0),
    )
    assert sorted(snapshot(str(attempt(place, user, data)))) == [".", "dev"]


def test_only_harmless_xattrs_are_kept(place: Path, user: str) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    rooted = bytes.fromhex("010000030004000000000000000000000000000039300000")
    names = {
        "user.mine": b"\0binary\n",
        "user.overlay.opaque": b"y",
        "user.overlay.redirect": b"/etc",
        "user.containers.override_stat": b"0:0:04777",
        "trusted.overlay.redirect": b"/etc",
        "security.selinux": b"x",
        "security.capability": capability,
        "system.posix_acl_access": b"x",
    }
    headers = {f"SCHILY.xattr.{name}": value.decode("latin-1") for name, value in names.items()}
    rooted_header = {"SCHILY.xattr.security.capability": rooted.decode("latin-1")}
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT, encoding="latin-1") as archive:
        for name, pax in (("f", headers), ("d", headers), ("g", rooted_header)):
            info, _ = folder(name) if name == "d" else entry(name)
            info.pax_headers = pax
            archive.addfile(info)
    diff = attempt(place, user, sink.getvalue())
    expected = {"user.mine"} | ({"security.capability"} if user == "root" else set())
    assert set(os.listxattr(diff / "f")) - {"user.containers.override_stat"} == expected
    assert os.getxattr(diff / "f", "user.mine") == b"\0binary\n"
    assert "user.overlay.opaque" not in os.listxattr(diff / "d")
    if user == "root":
        assert os.getxattr(diff / "g", "security.capability") == bytes.fromhex(
            "0100000200040000000000000000000000000000"
        )


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: data[:700], "cut off"),
        (lambda data: data[:512], "cut off"),
        (lambda data: data[:100], "cut off"),
        (lambda data: b"x" + data[1:], "checksum"),
        (lambda data: bytes(512) + data, "empty"),
        (lambda data: b"not a tar at all, but a text" * 100, "checksum"),
    ],
)
def test_damaged_tars_are_refused(place: Path, damage: object, why: str) -> None:
    data = tar(entry("f", b"x" * 600))
    with pytest.raises(BadLayer, match=why):
        attempt(place, "root", damage(data))  # type: ignore[operator]


@pytest.mark.parametrize("number", [b"-1\0", b"99999999", b"0x7\0", b"1_0\0", b"+7\0"])
def test_numbers_that_are_none_are_refused(place: Path, number: bytes) -> None:
    block = bytearray(tar(entry("f"))[:512])
    block[108 : 108 + len(number)] = number
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(BadLayer, match="number"):
        attempt(place, "root", bytes(block) + bytes(1024))


def test_ids_beyond_the_kernels_are_refused(place: Path) -> None:
    for uid, gid in ((2**32 - 1, 0), (0, 2**40)):
        with pytest.raises(BadLayer, match="owner"):
            attempt(place, "root", tar(entry("f", uid=uid, gid=gid)))
        (place / "layer" / "diff").rmdir()
        (place / "layer").rmdir()


def test_overwritten_files_do_not_reach_outside(place: Path, canary: Path, user: str) -> None:
    """The side files of a recipe are made in the layer's directory, of the layer's own data."""
    data = tar(entry("f", b"one"), entry("f", b"two"), folder("d"), entry("d/g", b"three"), symlink("d", "f"))
    layer = place / "layer"

    def work() -> bytes:
        (layer / "diff").mkdir(parents=True)
        owners = for_euid(os.geteuid())
        with open(layer / "recipe", "wb") as recipe:
            unpack(io.BytesIO(data), str(layer / "diff"), owners=owners, recipe=recipe)
        parts: list[bytes] = []
        assemble(str(layer), parts.append, owners)
        return b"".join(parts)

    assert as_user(user, work) == data
    assert len(os.listdir(layer / "shadowed")) == 2
