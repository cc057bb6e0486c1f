"""The rules of cp, and tars of trees and trees of tars: holes, links, names, what is in the way."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from cowl.transfer.copying import host, rules
from cowl.transfer.copying.failures import CannotCopy, DeviceRefused, InTheWay
from cowl.transfer.copying.rules import Place
from cowl.transfer.copying.tar_tree import land
from cowl.transfer.copying.tree_tar import TreeTar

FILE, DIRECTORY = Place("/s/f"), Place("/s/d", directory=True)
CONTENT, LINK = Place("/s/d/.", directory=True), Place("/s/real", name="link")


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (FILE, Place("/t/new", False), ("/t", "new")),
        (FILE, Place("/t/old"), ("/t", "old")),
        (FILE, Place("/t", directory=True), ("/t", "f")),
        (FILE, Place("/t/", directory=True), ("/t/", "f")),
        (DIRECTORY, Place("/t/new", False), ("/t", "new")),
        (DIRECTORY, Place("/t/new/", False), ("/t", "new")),
        (DIRECTORY, Place("/t", directory=True), ("/t", "d")),
        (CONTENT, Place("/t", directory=True), ("/t", ".")),
        (CONTENT, Place("/t/new", False), ("/t", "new")),
        (Place("/", directory=True), Place("/t", directory=True), ("/t", ".")),
        (Place("/", directory=True), Place("/t/new", False), ("/t", "new")),
        (LINK, Place("/t", directory=True), ("/t", "link")),
        (LINK, Place("/t/new", False), ("/t", "new")),
    ],
)
def test_where_a_copy_goes(source: Place, target: Place, expected: tuple[str, str]) -> None:
    assert rules.arrange(source, target) == expected


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        (FILE, Place("/t/new/", False), "no such directory"),
        (FILE, Place("/t/new/.", False), "no such directory"),
        (DIRECTORY, Place("/t/file"), "cannot copy directory"),
    ],
)
def test_what_goes_nowhere(source: Place, target: Place, why: str) -> None:
    with pytest.raises(CannotCopy, match=why):
        rules.arrange(source, target)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a", "/a"), ("/a/../b/", "/b/"), ("a/.", "/a/."), ("/", "/"), (".", "/."), ("../../x", "/x")],
)
def test_plain_paths_keep_their_end(path: str, expected: str) -> None:
    assert rules.plain(path) == expected


def tar_of(top: Path, name: str) -> bytes:
    parts: list[bytes] = []
    tar = TreeTar(
        parts.append, lambda _where, status: (status.st_uid, status.st_gid, status.st_mode & 0o7777)
    )
    tar.directory(str(top), name.encode())
    tar.end()
    return b"".join(parts)


def landed(data: bytes, directory: Path) -> None:
    landing = host.HostLanding(str(directory), archive=False)
    try:
        land(io.BytesIO(data), landing)
    finally:
        landing.close()


def test_a_tree_comes_back_whole(tmp_path: Path) -> None:
    top, back = tmp_path / "top", tmp_path / "back"
    top.mkdir()
    back.mkdir()
    (top / ("n" * 200)).write_bytes(b"long")
    (top / "odd\udcff").write_bytes(b"odd")
    (top / "file").write_bytes(b"x" * 5000)
    os.link(top / "file", top / "twin")
    os.symlink("/etc/passwd", top / "link")
    os.mkfifo(top / "fifo")
    (top / "shut").mkdir(mode=0o500)
    os.utime(top / "shut", ns=(5, 1_000_000_007))
    with open(top / "sparse", "wb") as file:
        file.seek(1 << 33)
        file.write(b"end")
        file.truncate(1 << 40)
    data = tar_of(top, "top")
    assert len(data) < 1 << 20
    landed(data, back)
    copy = back / "top"
    assert sorted(os.listdir(copy)) == sorted(os.listdir(top))
    assert (copy / "file").stat().st_ino == (copy / "twin").stat().st_ino
    assert os.readlink(copy / "link") == "/etc/passwd"
    assert (copy / "shut").stat().st_mtime_ns == 1_000_000_007 and (
        copy / "shut"
    ).stat().st_mode & 0o777 == 0o500
    sparse = (copy / "sparse").stat()
    assert sparse.st_size == 1 << 40 and sparse.st_blocks <= 64
    with open(copy / "sparse", "rb") as file:
        file.seek(1 << 33)
        assert file.read(4) == b"end\0"
    again = subprocess.run(["tar", "tf", "-"], input=data, capture_output=True, check=True)
    assert b"top/sparse\n" in again.stdout and b"GNUSparse" not in again.stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getmember("top/sparse").size == 1 << 40


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()[: 512 + -(-len(data) // 512) * 512]


END = bytes(1024)


@pytest.mark.parametrize(
    "names",
    [
        [entry("../x")],
        [entry("a/../../x")],
        [entry("a", tarfile.SYMTYPE, "/"), entry("a/canary-x")],
        [entry("a", tarfile.SYMTYPE, ".."), entry("a/x")],
        [entry("a", tarfile.LNKTYPE, "../canary")],
        [entry("out/x")],
        [entry("a", b"Z")],
    ],
)
def test_nothing_leaves_the_directory(tmp_path: Path, names: list[bytes]) -> None:
    back, canary = tmp_path / "back", tmp_path / "canary"
    back.mkdir()
    canary.write_text("whole")
    os.symlink(tmp_path, back / "out")
    with pytest.raises((CannotCopy, OSError)):
        landed(b"".join(names) + END, back)
    assert sorted(os.listdir(tmp_path)) == ["back", "canary"] and canary.stat().st_nlink == 1
    assert [name for name in os.listdir(back) if name.startswith(".cowl")] == []


def test_absolute_names_are_below_and_what_is_there_is_replaced_not_followed(tmp_path: Path) -> None:
    back, canary = tmp_path / "back", tmp_path / "canary"
    back.mkdir()
    canary.write_text("whole")
    os.symlink(canary, back / "x")
    landed(entry("/x", data=b"new") + END, back)
    assert (back / "x").read_bytes() == b"new" and canary.read_text() == "whole"
    assert not (back / "x").is_symlink()


def test_kinds_don_t_replace_each_other(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_text("f")
    with pytest.raises(InTheWay, match='cannot overwrite directory "d" with non-directory'):
        landed(entry("d") + END, tmp_path)
    with pytest.raises(InTheWay, match='cannot overwrite non-directory "f" with directory'):
        landed(entry("f", tarfile.DIRTYPE) + END, tmp_path)


def test_devices_are_refused_to_who_can_t_make_them(tmp_path: Path) -> None:
    landing = host.HostLanding(str(tmp_path), archive=False)
    landing.devices = False
    try:
        with pytest.raises(DeviceRefused, match="null is a device node"):
            land(io.BytesIO(entry("null", tarfile.CHRTYPE) + END), landing)
    finally:
        landing.close()


def test_set_id_bits_and_capabilities_stay_behind(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("su")
        info.mode, info.size = 0o6755, 2
        info.pax_headers = {"SCHILY.xattr.user.note": "kept"}
        tar.addfile(info, io.BytesIO(b"su"))
    landed(out.getvalue(), tmp_path)
    assert (tmp_path / "su").stat().st_mode & 0o7777 == 0o755
    assert os.getxattr(tmp_path / "su", "user.note") == b"kept"
