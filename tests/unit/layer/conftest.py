"""Places that an ordinary user may write to, and a canary outside of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.layer.tars import ORDINARY_ID, snapshot

from cowl.linux.files import remove_tree


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of everybody's, not below a private one."""
    path = Path(tempfile.mkdtemp(prefix="cowl-layer-", dir="/tmp"))
    path.chmod(0o777)
    yield path
    remove_tree(str(path))


@pytest.fixture(params=["root", "ordinary"])
def user(request: pytest.FixtureRequest) -> str:
    """Each test twice: as root and as an ordinary user."""
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("needs root")
    return str(request.param)


@pytest.fixture
def canary(place: Path) -> Iterator[Path]:
    """A tree beside the layer that must be the same, to the inode, when the test is over."""
    tree = place / "canary"
    (tree / "sub").mkdir(parents=True)
    (tree / "file").write_bytes(b"canary")
    (tree / "sub" / "deep").write_bytes(b"deep")
    os.link(tree / "file", tree / "twin")
    os.symlink("file", tree / "link")
    if os.geteuid() == 0:
        for path in (tree, *tree.rglob("*")):
            os.chown(path, ORDINARY_ID, ORDINARY_ID, follow_symlinks=False)
    before = snapshot(str(tree), identity=True)
    yield tree
    assert snapshot(str(tree), identity=True) == before
