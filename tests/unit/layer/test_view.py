"""The merged view: whiteouts, opaque directories, links that stay inside, reads that never hang."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cowl.layer.changes import Change, changes
from cowl.layer.ownership import for_euid
from cowl.layer.view import DIRECTORY, FileTooBig, MergedView, NoSuchPath, TooManyLinks, WrongKind
from cowl.layer.whiteout import make_whiteout


@pytest.fixture
def trees(place: Path) -> tuple[Path, Path, Path]:
    """Top, middle and bottom."""
    top, middle, bottom = (place / name for name in ("top", "middle", "bottom"))
    for tree in (top, middle, bottom):
        tree.mkdir()
    (bottom / "etc").mkdir()
    (bottom / "etc/passwd").write_bytes(b"bottom")
    (bottom / "etc/group").write_bytes(b"bottom")
    (bottom / "opt/a").mkdir(parents=True)
    (bottom / "opt/a/f").write_bytes(b"x")
    (bottom / "usr/lib").mkdir(parents=True)
    (bottom / "usr/lib/so").write_bytes(b"so")
    os.symlink("usr/lib", bottom / "lib")
    (bottom / "dir").mkdir()
    (bottom / "dir/x").touch()
    (bottom / "file").touch()
    (middle / "etc").mkdir()
    make_whiteout(str(middle / "etc/group"))
    (middle / "etc/new").write_bytes(b"middle")
    make_whiteout(str(middle / "opt"))
    (middle / "dir").write_bytes(b"now a file")
    (middle / "file").mkdir()
    (middle / "file/y").touch()
    (top / "etc").mkdir()
    (top / "etc/passwd").write_bytes(b"top")
    (top / "opt").mkdir()
    (top / "opt/b").touch()
    (top / "usr").mkdir()
    os.setxattr(top / "usr", "user.overlay.opaque", b"y")
    (top / "usr/mine").touch()
    return top, middle, bottom


@pytest.fixture
def view(trees: tuple[Path, Path, Path]) -> MergedView:
    return MergedView([str(tree) for tree in trees])


def test_layers_merge(view: MergedView) -> None:
    assert view.list("/") == ("dir", "etc", "file", "lib", "opt", "usr")
    assert view.list("etc") == ("new", "passwd")
    assert view.list("/opt") == ("b",)
    assert view.list("/usr") == ("mine",)
    assert view.read_file("/etc/passwd") == b"top"
    assert view.read_file("dir") == b"now a file"
    assert view.list("file") == ("y",)
    for gone in ("/etc/group", "/opt/a", "/opt/a/f", "/usr/lib", "/usr/lib/so", "/lib", "/dir/x", "/a/b/c"):
        assert view.lookup(gone) is None


def test_a_node_says_where_it_is(view: MergedView, trees: tuple[Path, Path, Path]) -> None:
    node = view.lookup("/etc/../etc/./new")
    assert node is not None
    assert (node.path, node.host_path, node.tree) == ("/etc/new", str(trees[1] / "etc/new"), 1)
    etc = view.lookup("/etc")
    assert etc is not None
    assert (etc.kind, etc.trees) == (DIRECTORY, (0, 1, 2))
    root = view.lookup("../..")
    assert root is not None
    assert (root.path, root.host_path) == ("/", str(trees[0]))
    assert view.owner(node, for_euid(os.geteuid()))[2] == node.status.st_mode & 0o7777


def test_links_stay_inside(place: Path, canary: Path) -> None:
    tree = place / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/f").write_bytes(b"inside")
    links = {
        "abs": "/a",
        "rel": "a/b/..",
        "up": "../../../a",
        "out": str(canary),
        "chain": "abs/f",
        "dangling": "a/none/x",
        "loop": "pool",
        "pool": "loop",
        "self": "self/x",
    }
    for name, target in links.items():
        os.symlink(target, tree / name)
    view = MergedView([str(tree)])
    for path in ("abs/f", "rel/f", "up/f", "chain", "/a/b/../../chain"):
        assert view.resolve(path) == "/a/f"
        assert view.read_file(path) == b"inside"
    assert view.lookup("out/file") is None
    assert view.resolve("out/file") == f"{canary}/file"
    assert view.resolve("dangling/y/../z") == "/a/none/x/z"
    link = view.lookup("chain", follow=False)
    assert link is not None
    assert (link.kind, link.target) == ("symlink", "abs/f")
    for path in ("loop", "loop/x", "self"):
        with pytest.raises(TooManyLinks):
            view.lookup(path)


def test_reads_never_hang_and_have_an_end(place: Path) -> None:
    tree = place / "tree"
    tree.mkdir()
    os.mkfifo(tree / "pipe")
    os.symlink("pipe", tree / "topipe")
    with open(tree / "big", "wb") as sink:
        sink.truncate(100 << 20)
    (tree / "dir").mkdir()
    view = MergedView([str(tree)])
    for path in ("pipe", "topipe", "dir"):
        with pytest.raises(WrongKind):
            view.read_file(path)
    with pytest.raises(FileTooBig):
        view.read_file("big")
    with pytest.raises(NoSuchPath):
        view.read_file("none")
    with pytest.raises(WrongKind):
        view.list("big")
    assert view.read_file("big", limit=100 << 20).count(b"\0") == 100 << 20


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="device nodes need root")
def test_devices_are_not_read(place: Path) -> None:
    (place / "tree").mkdir()
    os.mknod(place / "tree/zero", 0o20666, os.makedev(1, 5))
    with pytest.raises(WrongKind):
        MergedView([str(place / "tree")]).read_file("zero")


def test_a_swapped_directory_is_not_followed(place: Path, canary: Path) -> None:
    """A live container may put a link where the view saw a directory."""
    tree = place / "tree"
    (tree / "d").mkdir(parents=True)
    (tree / "d/file").write_bytes(b"mine")

    class Swapping(MergedView):
        def lookup(self, path: str, follow: bool = True) -> object:  # type: ignore[override]
            node = super().lookup(path, follow)
            if not (tree / "d").is_symlink():
                os.rename(tree / "d", tree / "away")
                os.symlink(canary, tree / "d")
            return node

    with pytest.raises(OSError, match="symbolic links"):
        Swapping([str(tree)]).read_file("d/file")


def test_odd_names(place: Path) -> None:
    tree = place / "tree"
    tree.mkdir()
    name = os.fsdecode(b"caf\xe9")
    (tree / name).write_bytes(b"x")
    view = MergedView([str(tree)])
    assert view.list("/") == (name,)
    assert view.read_file(name) == b"x"
    assert view.lookup("x" * 5000) is None
    assert view.lookup("a\0b") is None
    assert MergedView([]).lookup("/") is None
    assert MergedView([]).lookup("/x") is None


def test_changes(trees: tuple[Path, Path, Path]) -> None:
    top, middle, bottom = trees
    assert changes(str(top), MergedView([str(middle), str(bottom)])) == (
        Change("C", "/etc"),
        Change("C", "/etc/passwd"),
        Change("A", "/opt"),
        Change("A", "/opt/b"),
        Change("C", "/usr"),
        Change("D", "/usr/lib"),
        Change("A", "/usr/mine"),
    )
    assert Change("D", "/etc/group") in changes(str(middle), MergedView([str(bottom)]))
    assert Change("D", "/opt") in changes(str(middle), MergedView([str(bottom)]))
