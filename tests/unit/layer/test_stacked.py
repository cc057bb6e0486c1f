"""The ledger adds up: what is added less what is shadowed is what the merged view shows."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowl.layer.listing import File, Listing, read_listing
from cowl.layer.measure import measure
from cowl.layer.stacked import Amount, stack
from cowl.layer.view import MergedView
from cowl.layer.whiteout import make_opaque, make_whiteout

NAMES = st.sampled_from("abc")
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
NODES = st.one_of(
    st.tuples(st.just("file"), st.integers(0, 40)),
    st.tuples(st.just("link"), st.integers(0, 5)),
    st.tuples(st.just("directory"), st.booleans()),
    st.tuples(st.just("whiteout"), st.just(0)),
)
LAYERS = st.lists(st.lists(st.tuples(PATHS, NODES), max_size=8), min_size=1, max_size=4)


def make(top: Path, nodes: list[tuple[str, tuple[str, int | bool]]]) -> None:
    """As much of the nodes as fits together; links are hard ones to some earlier file."""
    files: list[Path] = []
    for name, (kind, value) in nodes:
        path = top / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "directory":
                path.mkdir()
                if value:
                    fd = os.open(path, os.O_RDONLY)
                    make_opaque(fd)
                    os.close(fd)
            elif kind == "whiteout":
                make_whiteout(str(path))
            elif kind == "link" and files:
                os.link(files[value % len(files)], path)
            elif kind == "file" and not path.exists():
                path.write_bytes(b"x" * value)
                files.append(path)
        except (FileExistsError, NotADirectoryError):
            continue


def merged_bytes(trees: list[str]) -> int:
    """The same, from the merged view: an independent walk."""
    view = MergedView(trees[::-1])
    seen: dict[tuple[int, int, int], int] = {}
    root = view.lookup("/")
    pending = [root] if root else []
    while pending:
        node = pending.pop()
        if node.is_directory:
            pending += view.children(node)
        else:
            seen[node.tree, node.status.st_dev, node.status.st_ino] = node.status.st_size
    return sum(seen.values())


@given(LAYERS)
@settings(max_examples=120)
def test_it_adds_up(layers: list[list[tuple[str, tuple[str, int | bool]]]]) -> None:
    with tempfile.TemporaryDirectory(prefix="cowl-ledger-") as place:
        trees = []
        for number, nodes in enumerate(layers):
            tree = Path(place, str(number))
            tree.mkdir()
            make(tree, nodes)
            trees.append(str(tree))
        ledger = stack(map(read_listing, trees))
        measured = [measure(tree) for tree in trees]
        assert [each.size_bytes for each in ledger.added] == [each.size_bytes for each in measured]
        assert [each.files for each in ledger.added] == [each.files for each in measured]
        assert [each.whiteouts for each in ledger.added] == [each.whiteouts for each in measured]
        assert ledger.added_bytes - ledger.shadowed_bytes == ledger.visible_bytes == merged_bytes(trees)
        assert sum(each.files for each in ledger.added) - len(ledger.shadows) == len(list(ledger.visible))
        assert all(each.lower < each.upper for each in ledger.shadows)
        assert all(each.lower < each.upper for each in ledger.rewrites)


MOUNTED = """
mount -t overlay -o ro,userxattr,lowerdir="$1" overlay "$2" && cd "$2" && find . ! -type d -printf '%i %s\\n'
"""


def mounted_bytes(trees: list[str], place: str) -> int:
    """The same, from a real mount in a mount namespace of its own."""
    point = f"{place}/mounted"
    os.makedirs(point, exist_ok=True)
    lowers = ":".join(trees[::-1])
    # find complains of whiteouts that the kernel lists in a directory of one layer alone, and finds no file
    command = ["unshare", "--mount", "sh", "-c", MOUNTED, "sh", lowers, point]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rest = [line for line in done.stderr.splitlines() if "No such file or directory" not in line]
    assert not rest, done.stderr
    return sum({line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}.values())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount here")
@given(LAYERS)
@settings(max_examples=40, deadline=None)
def test_the_kernel_shows_the_same(layers: list[list[tuple[str, tuple[str, int | bool]]]]) -> None:
    with tempfile.TemporaryDirectory(prefix="cowl-mounted-") as place:
        trees = []
        for number, nodes in enumerate([[], *layers]):  # overlayfs wants two at least
            tree = Path(place, str(number))
            tree.mkdir()
            make(tree, nodes)
            trees.append(str(tree))
        stacked = stack(map(read_listing, trees))
        assert stacked.visible_bytes == mounted_bytes(trees, place)
        assert stacked.visible_bytes + stacked.shadowed_bytes == sum(
            measure(tree).size_bytes for tree in trees
        )


def listing(**files: int) -> Listing:
    return Listing({name: File(index, size) for index, (name, size) in enumerate(files.items())})


def test_who_hides_what() -> None:
    gone = Listing({}, whiteouts=frozenset({"a"}))
    ledger = stack([listing(a=5, b=7), listing(b=7, c=1), gone])
    assert ledger.added == (Amount(12, 2), Amount(8, 2), Amount(whiteouts=1))
    found = [(each.path, each.lower, each.upper, each.size_bytes, each.removed) for each in ledger.shadows]
    assert found == [("b", 0, 1, 7, False), ("a", 0, 2, 5, True)]
    assert [(each.path, each.lower, each.upper) for each in ledger.rewrites] == [("b", 0, 1)]
    assert ledger.visible_bytes == 8


def test_an_inode_is_hidden_with_its_last_name() -> None:
    linked = Listing({"a": File(1, 9), "b": File(1, 9)})
    one, both = frozenset({"a"}), frozenset({"a", "b"})
    assert stack([linked, Listing({}, whiteouts=one)]).shadows == ()
    (shadow,) = stack([linked, Listing({}, whiteouts=both)]).shadows
    assert shadow.size_bytes == 9


@pytest.mark.parametrize("size", [0, 6])
def test_only_the_same_length_may_be_the_same_bytes(size: int) -> None:
    assert stack([listing(a=0), listing(a=size)]).rewrites == ()
