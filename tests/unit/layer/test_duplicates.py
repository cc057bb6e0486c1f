"""Duplicates: content decides, an inode is read once, and only what may be the same is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cowl.layer.duplicates import Duplicate, find_duplicates

HEAD = b"h" * 4096


def candidates(tree: Path) -> list[tuple[str, str, int, int, int]]:
    found = []
    for path in sorted(tree.iterdir()):
        status = path.lstat()
        found.append((str(tree), path.name, status.st_ino, status.st_size, status.st_blocks * 512))
    return found


def names(tree: Path, found: list[Duplicate]) -> list[list[str]]:
    listed = [candidate[1] for candidate in candidates(tree)]
    return [[listed[place] for place in each.places] for each in found]


def test_content_decides(tmp_path: Path) -> None:
    for name, data in {
        "a": b"same",
        "b": b"same",
        "c": b"othr",
        "deep1": HEAD + b"x",
        "deep2": HEAD + b"y",
        "deep3": HEAD + b"x",
        "deep4": HEAD + b"x",
        "empty1": b"",
        "empty2": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
    found = find_duplicates(candidates(tmp_path))
    assert names(tmp_path, found) == [["deep1", "deep3", "deep4"], ["a", "b"]]
    assert [(each.size_bytes, each.on_disk) for each in found] == [(4097, 3), (4, 2)]


def test_files_that_were_made_one_inode(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"same")
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "c").write_bytes(b"same")
    (found,) = find_duplicates(candidates(tmp_path))
    assert (len(found.places), found.on_disk) == (3, 2)
    (tmp_path / "c").unlink()
    (found,) = find_duplicates(candidates(tmp_path))
    assert (len(found.places), found.on_disk) == (2, 1)


def test_only_candidates_are_opened(tmp_path: Path) -> None:
    """What was there when it was listed and is a link or nothing by now is left out, not followed."""
    for name in ("a", "b", "c", "alone"):
        (tmp_path / name).write_bytes(b"same" if name != "alone" else b"12345")
    listed = candidates(tmp_path)
    (tmp_path / "alone").unlink()
    (tmp_path / "c").unlink()
    os.symlink("a", tmp_path / "c")
    (found,) = find_duplicates(listed)
    assert [listed[place][1] for place in found.places] == ["a", "b"]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(tmp_path: Path, count: int) -> None:
    for number in range(count):
        (tmp_path / str(number)).write_bytes(b"x")
    assert find_duplicates(candidates(tmp_path)) == []
