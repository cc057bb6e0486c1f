"""Parents of what a build adds: as they are below."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cowl.layer.materialize import ensure_parents
from cowl.layer.ownership import for_euid
from cowl.layer.tar_fields import BadLayer
from cowl.layer.view import MergedView


@pytest.fixture
def view(place: Path) -> MergedView:
    base = place / "base"
    (base / "srv/data").mkdir(parents=True)
    os.chmod(base / "srv/data", 0o2750)
    os.utime(base / "srv/data", (5, 5))
    os.setxattr(base / "srv", "user.k", b"v")
    os.symlink("/srv", base / "link")
    (base / "file").touch()
    os.symlink("file", base / "tofile")
    return MergedView([str(base)])


def test_parents_are_those_below(place: Path, view: MergedView) -> None:
    diff = place / "diff"
    diff.mkdir()
    owners = for_euid(os.geteuid())
    for _ in range(2):
        assert ensure_parents(str(diff), "/srv/data/new/f", view, owners) == str(diff / "srv/data/new/f")
    status = os.stat(diff / "srv/data")
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o2750, 5)
    assert os.getxattr(diff / "srv", "user.k") == b"v"
    assert os.stat(diff / "srv/data/new").st_mode & 0o7777 == 0o755
    assert not (diff / "srv/data/new/f").exists()


def test_links_below_lead_on(place: Path, view: MergedView) -> None:
    (place / "diff").mkdir()
    owners = for_euid(os.geteuid())
    assert ensure_parents(str(place / "diff"), "link/data/f", view, owners) == str(place / "diff/srv/data/f")
    assert ensure_parents(str(place / "diff"), "/", view, owners) == str(place / "diff")
    assert ensure_parents(str(place / "diff"), "top", view, owners) == str(place / "diff/top")


def test_files_in_the_way(place: Path, view: MergedView) -> None:
    (place / "diff").mkdir()
    (place / "diff/here").touch()
    for path in ("here/f", "tofile/f", "../f"):
        with pytest.raises(BadLayer):
            ensure_parents(str(place / "diff"), path, view, for_euid(os.geteuid()))
