"""Comparisons: against two walks of merged views, on random stacks that share some layers; and one by one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.layer.test_stacked import LAYERS, make, merged_bytes

from cowl.layer.comparison import PathChange, Side, compare
from cowl.layer.listing import read_listing
from cowl.layer.stacked import stack
from cowl.layer.view import MergedView
from cowl.layer.whiteout import make_opaque, make_whiteout


def side(trees: list[str]) -> Side:
    listings = [read_listing(tree) for tree in trees]
    return Side(stack(listings), trees, listings[0].whiteouts if len(trees) == 1 else frozenset())


def compared(one: list[str], two: list[str]) -> list[PathChange]:
    return list(compare(side(one), side(two)))


def seen(trees: list[str]) -> dict[str, tuple[str, int]]:
    """(kind, bytes of a file) of all that a stack shows: an independent walk."""
    view = MergedView(trees[::-1])
    found: dict[str, tuple[str, int]] = {}
    root = view.lookup("/")
    pending = [root] if root else []
    while pending:
        node = pending.pop()
        found[node.path] = (node.kind, node.status.st_size if node.is_file else 0)
        if node.is_directory:
            pending += view.children(node)
    return found


@given(LAYERS, st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4))
@settings(max_examples=60, deadline=None)
def test_as_two_walks_see_it(
    layers: list[list[tuple[str, tuple[str, int | bool]]]], one: list[int], two: list[int]
) -> None:
    with tempfile.TemporaryDirectory(prefix="cowl-compare-") as place:
        trees = []
        for number, nodes in enumerate(layers):
            Path(place, str(number)).mkdir()
            make(Path(place, str(number)), nodes)
            trees.append(str(Path(place, str(number))))
        # a layer comes once in a stack, and both stacks have two at least: a lone one shows its whiteouts
        empty = Path(place, "empty")
        empty.mkdir()
        stacks = [[str(empty), trees[0]], [str(empty), trees[0]]]
        for chosen, picks in zip(stacks, (one, two), strict=True):
            chosen += [trees[at] for at in dict.fromkeys(picks) if 0 < at < len(trees)]
        changes = compared(*stacks)
        before, after = map(seen, stacks)
        told = {
            each.path: each.kind for each in changes if set(each.what) - {"time", "links"} or not each.what
        }
        assert {path for path, kind in told.items() if kind == "A"} == after.keys() - before.keys()
        assert {path for path, kind in told.items() if kind == "D"} == before.keys() - after.keys()
        differ = {path for path in before.keys() & after.keys() if before[path] != after[path]}
        assert {path for path, kind in told.items() if kind == "C"} == differ
        delta = merged_bytes(stacks[1]) - merged_bytes(stacks[0])
        assert sum(each.delta_bytes for each in changes) == delta
        assert not compared(stacks[0], stacks[0])


def _write(path: Path) -> None:
    path.write_bytes(b"other")


def _replace(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_write, ("content",)),
        (lambda path: path.chmod(0o600), ("mode",)),
        (lambda path: os.setxattr(path, "user.x", b"y"), ("xattr",)),
        (lambda path: os.utime(path, ns=(1, 1)), ("time",)),
        (_replace, ("type",)),
    ],
)
def test_what_changed(tmp_path: Path, change: Callable[[Path], None], what: tuple[str, ...]) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"bytes")
        (tmp_path / name / "file").chmod(0o644)
        os.utime(tmp_path / name / "file", ns=(5, 5))
    change(tmp_path / "two" / "file")
    if what != ("time",):
        os.utime(tmp_path / "two" / "file", ns=(5, 5))
    (found,) = compared([str(tmp_path / "one")], [str(tmp_path / "two")])
    assert (found.kind, found.path, found.what) == ("C", "/file", what)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_an_owner(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        os.symlink("x", tmp_path / name / "link")
        os.utime(tmp_path / name / "link", ns=(5, 5), follow_symlinks=False)
    os.chown(tmp_path / "two" / "link", 7, 8, follow_symlinks=False)
    (found,) = compared([str(tmp_path / "one")], [str(tmp_path / "two")])
    assert (found.node, found.what) == ("symlink", ("owner",))


def test_lone_layers_show_what_they_take_away(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "d").mkdir(parents=True)
    make_whiteout(str(tmp_path / "two" / "gone"))
    make_opaque(str(tmp_path / "two" / "d"))
    found = compared([str(tmp_path / "one")], [str(tmp_path / "two")])
    assert [(each.kind, each.path, each.node, each.what) for each in found] == [
        ("C", "/d", "directory", ("opaque",)),
        ("A", "/gone", "whiteout", ()),
    ]


def test_names_that_part(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "a").write_bytes(b"12345")
    os.link(tmp_path / "one" / "a", tmp_path / "one" / "b")
    (tmp_path / "two" / "a").write_bytes(b"xyz")
    trees = [str(tmp_path / "one"), str(tmp_path / "two")]
    found = compared(trees[:1], trees)
    assert [(each.path, each.before_bytes, each.after_bytes, each.what[0]) for each in found] == [
        ("/a", 5, 3, "content"),
        ("/b", 0, 5, "links"),
    ]
