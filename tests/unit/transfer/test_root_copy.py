"""The root file system as files: a hostile image, or what an earlier one left, never leads out of it."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from cowl.layer.ownership import for_euid
from cowl.layer.view import MergedView
from cowl.transfer.root_copy import DirectoryInTheWay, copy_root


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    (tmp_path / "layer").mkdir()
    return tmp_path / "layer"


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A tree outside; its bytes, modes and times must not change."""
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary" / "file").write_text("canary")
    return tmp_path / "canary"


def facts(path: Path) -> list[tuple[str, int, int, int, int]]:
    found = []
    for each in (path, *sorted(path.rglob("*"))):
        status = each.lstat()
        found.append((str(each), status.st_mode, status.st_nlink, status.st_mtime_ns, status.st_ino))
    return found


def copy(*layers: Path, dest: Path) -> None:
    copy_root(MergedView([str(each) for each in layers]), str(dest), for_euid(os.geteuid()))


def test_files_directories_links_and_their_modes_and_times(layer: Path, tmp_path: Path) -> None:
    (layer / "bin").mkdir(mode=0o750)
    (layer / "bin" / "tool").write_bytes(b"#!" * 100_000)
    (layer / "bin" / "tool").chmod(0o4755)
    os.link(layer / "bin" / "tool", layer / "same")
    (layer / "link").symlink_to("/bin/tool")
    os.mkfifo(layer / "pipe", 0o640)
    os.utime(layer / "bin" / "tool", ns=(1, 1_234_567_890_123_456_789))
    (layer / "bin").chmod(0o550)
    os.utime(layer / "bin", ns=(5, 5))
    copy(layer, dest=tmp_path / "new" / "out")
    out = tmp_path / "new" / "out"
    assert sorted(os.listdir(out)) == ["bin", "link", "pipe", "same"]
    assert (out / "bin" / "tool").read_bytes() == b"#!" * 100_000
    status = (out / "bin" / "tool").stat()
    assert stat.S_IMODE(status.st_mode) == 0o755  # the caller's file: nobody gains from it
    assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())
    assert status.st_mtime_ns == 1_234_567_890_123_456_789
    assert (out / "same").stat().st_ino == status.st_ino
    assert stat.S_IMODE((out / "bin").stat().st_mode) == 0o550
    assert (out / "bin").stat().st_mtime_ns == 5
    assert os.readlink(out / "link") == "/bin/tool"
    assert stat.S_ISFIFO((out / "pipe").lstat().st_mode)
    before = facts(out)
    copy(layer, dest=out)  # once more over what is there, closed directories and all
    assert [each[:2] for each in facts(out)] == [each[:2] for each in before]
    (out / "bin").chmod(0o755)


def test_only_what_shows(layer: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "etc").mkdir(parents=True)
    (base / "etc" / "old").write_text("x")
    (base / "kept").write_text("kept")
    (layer / "etc").write_text("a file now")
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    copy(layer, base, dest=out)
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "etc": "a file now",
        "kept": "kept",
        "mine": "mine",
    }


def test_a_link_of_the_image_is_not_followed_by_the_next_image(
    layer: Path, tmp_path: Path, canary: Path
) -> None:
    """First the image brings `x -> canary`, then, in the same directory, a tree below `x`."""
    before = facts(canary)
    (layer / "x").symlink_to(canary)
    (layer / "file").symlink_to(canary / "file")
    (layer / "up").symlink_to("..")
    out = tmp_path / "out"
    copy(layer, dest=out)
    second = tmp_path / "second"
    (second / "x").mkdir(parents=True)
    (second / "x" / "file").write_text("hostile")
    (second / "up" / "canary").mkdir(parents=True)
    (second / "up" / "canary" / "file").write_text("hostile")
    (second / "file").write_text("hostile")
    copy(second, dest=out)
    assert facts(canary) == before
    assert (canary / "file").read_text() == "canary"
    assert not (out / "x").is_symlink()
    assert (out / "x" / "file").read_text() == "hostile"
    assert not (out / "file").is_symlink()


def test_hard_links_to_what_stood_there_are_not_written_through(
    layer: Path, tmp_path: Path, canary: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    os.link(canary / "file", out / "file")
    (layer / "file").write_text("new")
    copy(layer, dest=out)
    assert (canary / "file").read_text() == "canary"
    assert (out / "file").read_text() == "new"


def test_a_directory_of_the_callers_is_not_removed_for_a_file(layer: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "name").mkdir(parents=True)
    (out / "name" / "precious").write_text("x")
    (layer / "name").write_text("a file")
    with pytest.raises(DirectoryInTheWay, match="/name is a directory"):
        copy(layer, dest=out)
    assert (out / "name" / "precious").read_text() == "x"


def test_deep_trees_need_few_descriptors(layer: Path, tmp_path: Path) -> None:
    deep = "/".join(["d"] * 300)
    os.makedirs(layer / deep)
    (layer / deep / "file").write_text("x")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        copy(layer, dest=tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (tmp_path / "out" / deep / "file").read_text() == "x"
