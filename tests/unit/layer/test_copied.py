"""What of an upper was copied up, and what is new."""

from __future__ import annotations

import os
from pathlib import Path

from cowl.layer.copied import copied_up_bytes
from cowl.layer.view import MergedView
from cowl.layer.whiteout import make_opaque, make_whiteout


def write(tree: Path, path: str, size: int) -> None:
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_bytes(b"x" * size)


def test_files_whose_paths_the_layers_have(tmp_path: Path) -> None:
    top, base, upper = tmp_path / "top", tmp_path / "base", tmp_path / "upper"
    for path in ("etc/passwd", "etc/gone", "opt/app/main", "usr/lib/a", "link"):
        write(base, path, 10)
    write(top, "opt/new", 10)
    (top / "etc").mkdir()
    make_whiteout(str(top / "etc/gone"))
    (top / "usr").mkdir()
    (top / "usr/lib").symlink_to("/elsewhere")
    write(upper, "etc/passwd", 1000)
    write(upper, "etc/gone", 200)  # the layers don't show it any more
    write(upper, "etc/fresh", 30)
    write(upper, "opt/new", 4)
    write(upper, "usr/lib/a", 70_000)  # where the layers show a link
    write(upper, "srv/deep/file", 500)
    (upper / "link").symlink_to("etc")  # no regular file
    os.link(upper / "etc/passwd", upper / "etc/twin")
    assert copied_up_bytes(str(upper), MergedView([str(top), str(base)])) == 1004
    assert copied_up_bytes(str(upper), MergedView([])) == 0


def test_what_lies_in_an_opaque_directory_is_new(tmp_path: Path) -> None:
    base, upper = tmp_path / "base", tmp_path / "upper"
    write(base, "var/log/old", 10)
    write(upper, "var/log/old", 40)
    view = MergedView([str(base)])
    assert copied_up_bytes(str(upper), view) == 40
    make_opaque(str(upper / "var"))
    assert copied_up_bytes(str(upper), view) == 0
