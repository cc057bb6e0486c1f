"""ADD of local archives: what is unpacked, how it merges with what is there, what hostile ones can't do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.building import Builder, as_fixture
from tests.caller import Caller

from cowl.build.archives import begins_as_archive
from cowl.build.unarchive import BadArchive
from cowl.errors import CowlError

builder = as_fixture()
zstd = pytest.importorskip("backports.zstd")

DIR, LINK, HARD = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def member(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), 1_000_000_000, 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


SMALL = tar(
    member("d", type=DIR, mode=0o750, uid=1000, gid=2000, mtime=1_100_000_000),
    member("d/run", b"#!", mode=0o4755, uid=1000, gid=2000),
    member("plain", b"plain"),
    member("link", type=LINK, linkname="/nowhere", uid=7),
    member("twin", type=HARD, linkname="d/run"),
    member("pipe", type=tarfile.FIFOTYPE),
    member("disk", type=tarfile.BLKTYPE, devmajor=8),
)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: bytes(zstd.compress(data)),
}


def put(builder: Builder, data: bytes, name: str = "a.bin") -> None:
    (builder.context / name).write_bytes(data)


@pytest.mark.parametrize("packer", PACKERS)
def test_archives_of_every_compression_are_unpacked_whatever_their_name(
    builder: Builder, packer: str
) -> None:
    put(builder, PACKERS[packer](SMALL), "holiday.jpg")
    built = builder.build("FROM base\nADD holiday.jpg /new/dir\n")
    assert built.owner("/new/dir/d") == (1000, 2000, 0o750)
    assert built.owner("/new/dir/d/run") == (1000, 2000, 0o4755)
    assert built.owner("/new") == built.owner("/new/dir") == (0, 0, 0o755)
    assert built.text("/new/dir/plain") == "plain"
    assert built.node("/new/dir/plain").status.st_mtime == 1_000_000_000
    assert built.node("/new/dir/d").status.st_mtime == 1_100_000_000
    assert built.node("/new/dir/link").target == "/nowhere"
    assert built.node("/new/dir/twin").status.st_ino == built.node("/new/dir/d/run").status.st_ino
    assert built.view.lookup("/new/dir/pipe") is None  # as BuildKit has it
    assert built.view.lookup("/new/dir/disk") is None
    assert built.told == ["ADD holiday.jpg /new/dir # buildkit"]
    assert builder.build("FROM base\nADD holiday.jpg /new/dir\n").misses == []


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_every_format(builder: Builder, format: int) -> None:  # noqa: A002
    put(builder, tar(member("x" * 90, b"1"), member("d/y", b"2"), format=format))
    built = builder.build("FROM scratch\nADD a.bin /\n")
    assert built.text("/" + "x" * 90) == "1"
    assert built.owner("/d") == (0, 0, 0o755)  # implied


def test_an_old_tar_without_magic_is_one(builder: Builder) -> None:
    block = bytearray(tar(member("v7", b"old")))
    block[257:512] = bytes(255)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    put(builder, bytes(block))
    assert builder.build("FROM scratch\nADD a.bin /\n").text("/v7") == "old"


NO_ARCHIVES = (
    b"",
    b"text",
    gzip.compress(b"no tar, but compressed"),
    gzip.compress(SMALL)[:20],
    b"\x1f\x8b\x08damaged",
    b"BZh",
    bytes(1024),
    SMALL[:100],
    b"\0" * 257 + b"ustar" + b"\0" * 250,
)


def test_what_is_no_archive_is_copied(builder: Builder) -> None:
    for data in NO_ARCHIVES:
        put(builder, data, "a.tar.gz")
        built = builder.build("FROM base\nADD a.tar.gz /x\n")
        assert built.view.read_file("/x") == data


def test_unpack_false_and_copy_leave_archives_alone(builder: Builder) -> None:
    put(builder, SMALL)
    assert builder.build("FROM base\nADD --unpack=false a.bin /x\n").view.read_file("/x") == SMALL
    assert builder.build("FROM base\nCOPY a.bin /x\n").view.read_file("/x") == SMALL
    assert builder.build("FROM base\nADD --unpack=true a.bin /x\n").text("/x/plain") == "plain"
    assert builder.build("FROM base\nADD --unpack a.bin /y\n").text("/y/plain") == "plain"


def test_flags_and_several_sources(builder: Builder) -> None:
    put(builder, SMALL)
    builder.file("z.txt", "z", 0o600)
    built = builder.build("FROM base\nADD --chown=node:extra --chmod=711 a.bin z.txt /n/\n")
    assert built.owner("/n/d/run") == (1000, 2000, 0o4755)  # --chmod has no effect in an archive
    assert built.owner("/n/plain") == (1000, 2000, 0o644)
    assert built.owner("/n") == (1000, 2000, 0o755)
    assert built.owner("/n/z.txt") == (1000, 2000, 0o711)
    assert "Dockerfile:2: --chmod has no effect" in built.warnings[0]
    again = builder.build("FROM base\nADD --chown=node:extra --chmod=711 a.bin z.txt /n/\n")
    assert again.misses == []


def test_what_an_archive_changes_misses(builder: Builder) -> None:
    put(builder, SMALL)
    builder.build("FROM base\nADD a.bin /x\n")
    for line in ("ADD a.bin /y", "ADD --chown=1 a.bin /x", "ADD --unpack=false a.bin /x"):
        assert builder.build(f"FROM base\n{line}\n").misses == [2], line
    put(builder, tar(member("plain", b"other")))
    assert builder.build("FROM base\nADD a.bin /x\n").misses == [2]


def test_a_glob_unpacks_every_archive_in_order(builder: Builder) -> None:
    put(builder, tar(member("who", b"1"), member("one")), "1.tar")
    put(builder, gzip.compress(tar(member("who", b"2"))), "2.tar")
    built = builder.build("FROM base\nADD *.tar /x/\n")
    assert built.text("/x/who") == "2"
    assert built.node("/x/one").is_file


def test_link_and_heredocs(builder: Builder) -> None:
    put(builder, SMALL)
    line = "ADD --link a.bin <<EOF /etc/\nBZh is no archive here\nEOF\n"
    built = builder.build(f"FROM base\n{line}")
    assert built.text("/etc/plain") == "plain"
    assert built.text("/etc/EOF") == "BZh is no archive here\n"
    assert builder.build(f"FROM scratch\n{line}").misses == []  # it fits on anything


def test_a_directory_of_archives_is_only_copied(builder: Builder) -> None:
    builder.file("in/x")
    put(builder, SMALL, "in/a.tar")
    assert builder.build("FROM base\nADD in /x\n").view.read_file("/x/a.tar") == SMALL


BELOW = tar(
    member("usr", type=DIR, mode=0o755),
    member("usr/lib", type=DIR, mode=0o755),
    member("usr/lib/old", b"old", uid=5),
    member("lib", type=LINK, linkname="usr/lib"),
    member("abs", type=LINK, linkname="/usr"),
    member("full", type=DIR, mode=0o755),
    member("full/inside", b"inside"),
    member("file", b"file"),
)


@pytest.fixture
def layered(builder: Builder) -> Builder:
    put(builder, BELOW, "below.tar")
    builder.build("FROM scratch\nADD below.tar /\nADD below.tar /app/\n", tags=("below",))
    return builder


def test_it_merges_with_what_is_there(layered: Builder) -> None:
    put(
        layered,
        tar(
            member("lib/new", b"new"),  # through the image's link
            member("abs/too", b"too"),
            member("usr", type=DIR, mode=0o700, uid=9),
            member("file", type=DIR, mode=0o755),
            member("file/now", b"now"),
            member("full", b"a file now"),
            member("again", type=HARD, linkname="usr/lib/old"),  # of a file in a layer below
        ),
    )
    built = layered.build("FROM below\nADD a.bin /\n")
    assert built.text("/usr/lib/new") == "new"
    assert built.text("/usr/too") == "too"
    assert built.node("/lib").target == "usr/lib"
    assert built.owner("/usr") == (9, 0, 0o700)
    assert built.text("/usr/lib/old") == built.text("/again") == "old"
    assert built.node("/again").status.st_ino == built.node("/usr/lib/old").status.st_ino
    assert built.owner("/again") == (5, 0, 0o644)
    assert built.text("/file/now") == "now"
    assert built.text("/full") == "a file now"


def test_links_are_those_of_the_destination_as_if_it_were_the_root(layered: Builder) -> None:
    put(layered, tar(member("abs/x", b"x")))
    built = layered.build("FROM below\nADD a.bin /app\n")
    assert built.text("/app/usr/x") == "x"
    assert built.view.lookup("/usr/x") is None


def test_a_directory_takes_the_place_of_a_link_and_hides_what_a_file_replaced(layered: Builder) -> None:
    put(
        layered,
        tar(
            member("lib", type=DIR, mode=0o755),
            member("lib/x", b"x"),
            member("full", b"first a file"),
            member("full", type=DIR, mode=0o755),
            member("full/fresh", b"fresh"),
        ),
    )
    built = layered.build("FROM below\nADD a.bin /\n")
    assert built.node("/lib").is_directory
    assert built.view.lookup("/usr/lib/x") is None
    assert built.view.list("/full") == ("fresh",)
    put(layered, tar(member("abs", type=LINK, linkname="full"), member("abs/y", b"y")))
    assert layered.build("FROM below\nADD a.bin /\n").text("/full/y") == "y"


def test_the_destination_follows_the_images_links(layered: Builder) -> None:
    put(layered, tar(member("x", b"x")))
    assert layered.build("FROM below\nADD a.bin /lib\n").text("/usr/lib/x") == "x"


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A tree of which nothing may change."""
    top = tmp_path / "canary"
    top.mkdir(mode=0o751)
    (top / "file").write_text("canary")
    (top / "file").chmod(0o640)
    (top / "dir").mkdir()

    def looks() -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for path in (top, *sorted(top.rglob("*"))):
            status = path.lstat()
            data = path.read_bytes() if path.is_file() else b""
            xattrs = tuple(os.listxattr(path))
            inode = (status.st_mode, status.st_ino, status.st_nlink, status.st_uid, status.st_gid)
            found.append((str(path), *inode, status.st_mtime_ns, status.st_ctime_ns, data, xattrs))
        return found

    before = looks()
    yield top
    assert looks() == before


def hostile(canary: Path) -> dict[str, bytes]:
    """Archives that try to reach the tree `canary`."""
    at = str(canary)
    up = "../" * 40 + at[1:]
    deep = "/".join("d" for _ in range(2000))
    return {
        "name goes up": tar(member(f"{up}/file", b"x")),
        "name goes up later": tar(member(f"a/b/../../../{up}/file", b"x")),
        "link up, then below it": tar(member("a", type=LINK, linkname=up), member("a/file", b"x")),
        "link swapped in": tar(
            member("a", type=DIR, mode=0o755),
            member("a/file", b"x"),
            member("a", type=LINK, linkname=up),
            member("a/file", b"y"),
        ),
        "hard link up": tar(member("a", type=HARD, linkname=f"{up}/file")),
        "hard link through a link": tar(
            member("a", type=LINK, linkname=up), member("b", type=HARD, linkname="a/file")
        ),
        "hard link to nothing": tar(member("b", type=HARD, linkname="missing")),
        "hard link to a directory": tar(
            member("d", type=DIR, mode=0o755), member("b", type=HARD, linkname="d")
        ),
        "hard link to what it replaces": tar(member("d/x", b"x"), member("d", type=HARD, linkname="d/x")),
        "links in a circle": tar(
            member("a", type=LINK, linkname="b"), member("b", type=LINK, linkname="a"), member("a/x", b"x")
        ),
        "too deep": tar(member(deep, b"x")),
        "a name too long": tar(member("n" * 300, b"x")),
        "below a file": tar(member("f", b"f"), member("f/x", b"x")),
        "a whiteout": tar(member("ok"), member("etc/.wh.passwd")),
        "a whiteout of all": tar(member("ok"), member(".wh..wh..opq")),
        "a whiteout of nothing": tar(member("ok"), member(".wh.")),
        "cut off": tar(member("f", b"f" * 4000))[:2000],
        "cut off inside gzip": gzip.compress(tar(member("f", os.urandom(400_000))))[:-1000],
        "no owner": tar(member("ok"), member("f", uid=1 << 40)),
        "of no known type": tar(member("ok"), member("f", type=b"Z")),
    }


def harmless(canary: Path) -> dict[str, bytes]:
    """Archives that unpack, without reaching it."""
    at = str(canary)
    return {
        "absolute name": tar(member(f"{at}/file", b"x")),
        "absolute link, then below it": tar(member("a", type=LINK, linkname=at), member("a/file", b"x")),
        "link as its end": tar(member("file", type=LINK, linkname=f"{at}/file"), member("file", b"x")),
        "mode through a link": tar(
            member("dir", type=LINK, linkname=at), member("dir", type=DIR, mode=0o777, uid=7)
        ),
        "link as the root": tar(member(".", type=LINK, linkname=at), member("file", b"x")),
        "attributes": tar(
            member(
                "file",
                b"x",
                pax_headers={
                    "SCHILY.xattr.trusted.overlay.redirect": at,
                    "SCHILY.xattr.user.overlay.opaque": "y",
                    "SCHILY.xattr.security.selinux": "x",
                    "SCHILY.xattr.user.mine": "kept",
                },
            )
        ),
        "devices": tar(
            member("file", type=tarfile.CHRTYPE, devmajor=0, devminor=0),
            member("sda", type=tarfile.BLKTYPE, devmajor=8),
        ),
    }


def test_a_hostile_archive_is_refused_and_reaches_nothing(builder: Builder, canary: Path) -> None:
    for case, data in hostile(canary).items():
        put(builder, data)
        with pytest.raises(CowlError) as caught:
            builder.build("FROM base\nADD a.bin /\n")
            pytest.fail(case)
        assert isinstance(caught.value, BadArchive), case
        assert "Dockerfile:2:" in caught.value.message
        assert "can't unpack a.bin: " in caught.value.message
        assert builder.leftovers() == []
    assert builder.store.check() == []


def test_an_odd_archive_reaches_nothing(builder: Builder, canary: Path) -> None:
    for case, data in harmless(canary).items():
        put(builder, data)
        built = builder.build("FROM base\nADD a.bin /\n")
        assert len(built.layers) == 2, case
        for folder, folders, files in os.walk(built.view.trees[0]):
            for name in (*folders, *files):
                path = os.path.join(folder, name)
                assert stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK)
                assert set(os.listxattr(path, follow_symlinks=False)) <= {"user.mine"}, case


def test_an_images_links_never_lead_an_archive_out(builder: Builder, canary: Path) -> None:
    put(builder, tar(member("evil", type=LINK, linkname=str(canary))), "evil.tar")
    put(builder, tar(member("file", b"x"), member("evil/file", b"y")))
    built = builder.build("FROM base\nADD evil.tar /\nADD a.bin /evil\nADD a.bin /\n")
    assert built.text(f"{canary}/evil/file") == "y"
    assert built.text(f"{canary}/file") == "y"


def test_a_bomb_is_stopped(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    from cowl.build import add_step
    from cowl.layer.limits import Limits

    small = Limits(entries=10, file_bytes=1 << 20, tar_bytes=4 << 20)
    monkeypatch.setattr(add_step, "Limits", lambda: small)
    put(builder, tar(*(member(f"f{n}") for n in range(20))))
    with pytest.raises(CowlError, match="more than 10 entries"):
        builder.build("FROM base\nADD a.bin /\n")
    put(builder, gzip.compress(tar(member("ok"), member("f", bytes(8 << 20)))))
    with pytest.raises(CowlError, match=r"more than \d+ bytes"):
        builder.build("FROM base\nADD a.bin /\n")
    assert builder.leftovers() == []


def test_first_bytes() -> None:
    assert begins_as_archive(SMALL[:512])
    assert not begins_as_archive(b"#!/bin/sh\n")
    assert not begins_as_archive(bytes(512))
    assert not begins_as_archive(b"")
    assert not begins_as_archive(b"x" * 511)


def test_both_users(caller: Caller) -> None:
    context = caller.home / "context"
    context.mkdir()
    (context / "a.tgz").write_bytes(gzip.compress(SMALL))
    (context / "Dockerfile").write_text("FROM scratch\nADD a.tgz /x\nADD --chown=5:6 a.tgz /y\n")
    caller.give(context)
    caller.cowl("build", "-t", "added", str(context))
    code = (
        "import os, cowl; from cowl.layer.ownership import for_euid; e = cowl.Engine(); s = e.store\n"
        "v = s.view(s.images.find('added').layer_keys)\n"
        "o = lambda p: v.owner(v.lookup(p), for_euid(os.geteuid()))\n"
        "print(o('/x/d'), o('/x/d/run'), o('/y/d/run'), v.read_file('/y/plain'))"
    )
    done = caller.python(code)
    assert done.stdout.decode().strip() == ("(1000, 2000, 488) (1000, 2000, 2541) (5, 6, 2541) b'plain'"), (
        done.stderr
    )
