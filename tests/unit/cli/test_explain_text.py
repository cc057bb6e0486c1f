"""What explain prints, whatever files are called and however deep they lie: lines that fit and stay plain."""

from __future__ import annotations

import json

import pytest

from cowl.accounting.explanation import (
    Beside,
    Copy,
    DuplicateSet,
    Explanation,
    LayerBytes,
    PathBytes,
    Waste,
)
from cowl.accounting.path_tree import by_difference, path_tree
from cowl.cli.explain_text import explanation_lines
from cowl.cli.json_value import to_json
from cowl.cli.text import columns, path_text

NAMES = ("plain", "漢字" * 60, "esc\x1b[2J\x07", "byte\udcff\udc9b", "x" * 255, "new\nline", "\u202egnp.exe")


def layer(number: int, text: str) -> LayerBytes:
    figures = (10**9, 10**10, 10**6, 3, 0, 10**9, 0, 0)
    return LayerBytes(number, "0" * 64, "", "RUN", text, number * 100, number, False, *figures)


def explanation(name: str, beside: Beside | None = None) -> Explanation:
    path = "/".join(NAMES * 30)
    waste = Waste("removed", 1, 2, "", 5, 1, ((f"/{path}", 5),), "merge line 2 into line 1", 5)
    tree = path_tree([[(path, 10**9), *((each, 10**8) for each in NAMES)]], depth=0, top=0)
    copies = tuple(Copy(f"/{each}", 1, bool(at % 2)) for at, each in enumerate(NAMES * 2))
    return Explanation(
        kind="image",
        id=f"sha256:{'0' * 64}",
        name="app",
        size_bytes=10**9,
        visible_bytes=tree.size_bytes,
        shadowed_bytes=0,
        allocated_bytes=0,
        shadowed_allocated_bytes=0,
        efficiency=1.0,
        files=1,
        layers=(layer(1, name), layer(2, "RUN " + name * 100_000)),
        tree=tree,
        waste=(waste, waste.replace(kind="cache", by=0, cause="/x"), waste.replace(kind="squash")),
        duplicates=(DuplicateSet(5, 5, 0, copies),),
        duplicate_bytes=5,
        base=f"sha256:{'1' * 64}",
        altered_layers=(1,),
        beside=beside,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [80, 133])
def test_lines_fit_and_stay_plain(name: str, width: int) -> None:
    other = explanation("other").replace(layers=(layer(1, name).replace(key="1" * 64),))
    tree = path_tree([[("/".join(NAMES * 30), 1)], [(name, 10**9)]], depth=0, top=5, weigh=by_difference)
    beside = Beside(other, (1,), 1, 2, 3, tree, other.duplicates, 5)
    told = explanation(name, beside)
    lines = list(explanation_lines(told, width, 10))
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if columns(line) > width] == []
    assert json.loads(to_json(told))["layers"][0]["instruction"] == name


def test_a_name_that_is_long_is_told_by_its_end() -> None:
    child = PathBytes("/" + "a" * 99 + "end", False, 9, 1)
    tree = PathBytes("/", True, 9, 1, children=(child,))
    told = explanation("x").replace(tree=tree, visible_bytes=9)
    (line,) = [line for line in explanation_lines(told, 80, 10) if "end " in line]
    assert line.split()[2].startswith("…aaa")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/a b/é漢", "/a b/é漢"),
        ("/\udcff\x1b\x7f\x9b\n\t", r"/\xff\x1b\x7f\x9b\n\t"),
        ("/\u202e\u200b\U000e0001", r"/\u202e\u200b\U000e0001"),
    ],
)
def test_names_for_people(path: str, text: str) -> None:
    assert path_text(path) == text


def test_the_tree_ends_where_json_can_follow() -> None:
    tree = path_tree([[("/".join(["d"] * 3000), 7)]], depth=0, top=0)
    depth, node = 0, tree
    while node.children:
        (node,) = node.children
        depth += 1
    assert (depth, node.size_bytes, node.directory) == (100, 7, True)
    json.loads(to_json(tree))
