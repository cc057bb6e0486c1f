"""A merged view as a tar, while a container writes to it, and where layers share inodes."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from cowl.layer.ownership import for_euid
from cowl.layer.view import MergedView
from cowl.transfer.root_tar import FileChanged, write_root_tar

OWNERS = for_euid(os.geteuid())


def test_what_changes_under_the_reading_is_told(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"x" * 5000)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "e").touch()
    told: list[tuple[str, str]] = []
    tar = io.BytesIO()

    def write(data: bytes) -> None:
        if not tar.tell():  # behind the look at a's size
            os.truncate(tmp_path / "a", 3000)
            (tmp_path / "b").unlink()
            (tmp_path / "d" / "e").unlink()
        tar.write(data)

    write_root_tar(MergedView([str(tmp_path)]), write, OWNERS, lambda *words: told.append(words))
    tar.seek(0)
    with tarfile.open(fileobj=tar) as found:
        assert found.getnames() == ["a", "c", "d"]
        file = found.extractfile("a")
        assert file is not None
        assert file.read() == b"x" * 3000 + bytes(2000)
    assert told == [("/a", "became 2000 bytes shorter; the tar has NULs there")]


def test_a_layer_that_changes_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5000)
    with pytest.raises(FileChanged):
        write_root_tar(MergedView([str(tmp_path)]), lambda _data: os.truncate(tmp_path / "a", 3000), OWNERS)


def test_an_inode_that_two_layers_share_is_two_files(tmp_path: Path) -> None:
    upper, lower = tmp_path / "upper", tmp_path / "lower"
    upper.mkdir()
    lower.mkdir()
    (lower / "a").write_text("same")
    os.link(lower / "a", lower / "b")
    os.link(lower / "a", upper / "c")
    tar = io.BytesIO()
    write_root_tar(MergedView([str(upper), str(lower)]), tar.write, OWNERS)
    tar.seek(0)
    with tarfile.open(fileobj=tar) as found:
        assert [(member.name, member.islnk()) for member in found] == [
            ("a", False),
            ("b", True),
            ("c", False),
        ]
