"""Safe paths against trees that try to lead out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cowl.linux import files

Opener = Callable[[int, str, int], int]


def _walk(root: int, path: str, flags: int) -> int:
    return files._walk(root, os.fsencode(path), flags | os.O_CLOEXEC, 0o600)


@pytest.fixture(params=[files.open_beneath, _walk], ids=["openat2", "walk"])
def opener(request: pytest.FixtureRequest) -> Opener:
    """Both ways must give the same."""
    chosen: Opener = request.param
    return chosen


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("host\n")
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/file").write_text("inner\n")
    (root / "outside").write_text("inner\n")
    links = {
        "up": "../outside",
        "absolute": "/a/b",
        "far": "/../../../../a/b/../b/file",
        "two": "absolute/file",
    }
    for name, target in {**links, "loop": "loop", "dangling": "/none/such"}.items():
        os.symlink(target, root / name)
    return root


def _read(opener: Opener, root: Path, path: str) -> bytes:
    root_fd = os.open(root, os.O_PATH)
    fd = opener(root_fd, path, os.O_RDONLY)
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)
        os.close(root_fd)


@pytest.mark.parametrize(
    "path",
    ["a/b/file", "/a/b/file", "../../a/b/file", "up", "absolute/file", "far", "two", "a/./b/../b//file"],
)
def test_every_way_stays_inside(opener: Opener, root: Path, path: str) -> None:
    assert _read(opener, root, path) == b"inner\n"


@pytest.mark.parametrize(
    ("path", "error"), [("loop", 40), ("dangling", 2), ("a/none/x", 2), ("outside/x", 20)]
)
def test_failures(opener: Opener, root: Path, path: str, error: int) -> None:
    with pytest.raises(OSError) as caught:
        _read(opener, root, path)
    assert caught.value.errno == error


@pytest.mark.parametrize("path", ["/", "", "..", "a/b/../.."])
def test_the_root_itself(opener: Opener, root: Path, path: str) -> None:
    root_fd = os.open(root, os.O_PATH)
    fd = opener(root_fd, path, os.O_RDONLY | os.O_DIRECTORY)
    assert os.path.sameopenfile(fd, root_fd)
    os.close(fd)
    os.close(root_fd)


def test_no_follow_opens_the_link(opener: Opener, root: Path) -> None:
    root_fd = os.open(root, os.O_PATH)
    fd = opener(root_fd, "up", os.O_PATH | os.O_NOFOLLOW)
    assert os.readlink("", dir_fd=fd) == "../outside"
    os.close(fd)
    os.close(root_fd)


def test_creates_inside(opener: Opener, root: Path) -> None:
    root_fd = os.open(root, os.O_PATH)
    os.close(opener(root_fd, "absolute/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    assert (root / "a/b/new").is_file()
    os.close(root_fd)


def test_magic_links_are_refused() -> None:
    root_fd = os.open("/", os.O_PATH)
    for path in ("/proc/self/cwd", "/proc/self/root/etc", "/proc/self/fd/0"):
        with pytest.raises(OSError):
            files.open_beneath(root_fd, path, os.O_PATH)
    os.close(root_fd)


def test_remove_tree_follows_no_link(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "file").write_text("x")
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    os.symlink(canary, tree / "link")
    os.symlink(canary, tree / "deep/link")
    os.link(canary / "file", tree / "hard")
    files.remove_tree(str(tree))
    assert not tree.exists() and (canary / "file").read_text() == "x"
    os.symlink(canary, tmp_path / "link")
    files.remove_tree(str(tmp_path / "link"))
    assert not os.path.lexists(tmp_path / "link") and canary.is_dir()
    files.remove_tree(str(tmp_path / "link"))


def test_remove_tree_of_any_depth(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/.deep-0").mkdir()
    (tmp_path / "tree/.deep-0/full").mkdir()
    here = os.open(tmp_path / "tree", os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=below))
        os.close(here)
        here = below
    os.close(here)
    files.remove_tree(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()


def test_a_tally_counts_what_comes_free(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    deep = tree
    for _ in range(120):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x" * 10_000)
    os.link(deep / "file", tree / "same")
    (tree / "kept").write_bytes(b"k" * 50_000)
    os.link(tree / "kept", tmp_path / "kept")
    os.sync()
    inodes = {path.lstat().st_ino: path.lstat().st_blocks for path in (tree, *tree.rglob("*"))}
    del inodes[(tmp_path / "kept").stat().st_ino]
    tally = files.Tally()
    files.remove_tree(str(tree), tally)
    assert tally.freed_bytes == sum(inodes.values()) * 512
    assert not tree.exists()
