"""Measures equal what du and find say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.caller import Caller

from cowl.layer.measure import measure, measure_layer
from cowl.layer.whiteout import make_whiteout


def test_each_inode_once(place: Path) -> None:
    tree = place / "layer/diff"
    (tree / "d").mkdir(parents=True)
    (tree / "d/f").write_bytes(b"x" * 5000)
    os.link(tree / "d/f", tree / "g")
    os.symlink("target", tree / "l")
    with open(tree / "sparse", "wb") as sink:
        sink.truncate(10_000_000)
    make_whiteout(str(tree / "gone"))
    os.link(tree / "gone", tree / "gone too")
    os.sync()
    found = measure(str(tree))
    assert (found.size_bytes, found.files, found.directories) == (5000 + 6 + 10_000_000, 3, 2)
    assert (found.whiteouts, found.inodes) == (2, 6)
    said = subprocess.run(["du", "-s", "-B1", str(tree)], capture_output=True, text=True, check=True).stdout
    assert found.allocated_bytes == int(said.split()[0])


def test_a_layer_is_measured_with_its_recipe(place: Path) -> None:
    layer = place / "layer"
    (layer / "diff").mkdir(parents=True)
    (layer / "diff/f").write_bytes(b"x")
    (layer / "recipe").write_bytes(b"r" * 9000)
    (layer / "shadowed").mkdir()
    (layer / "shadowed/0").write_bytes(b"s" * 9000)
    os.sync()
    found = measure_layer(str(layer))
    assert (found.size_bytes, found.files) == (1, 1)
    said = subprocess.run(["du", "-s", "-B1", str(layer)], capture_output=True, text=True, check=True).stdout
    assert found.allocated_bytes == int(said.split()[0])


def test_a_single_file(place: Path) -> None:
    (place / "f").write_bytes(b"xyz")
    assert (measure(str(place / "f")).size_bytes, measure(str(place / "f")).inodes) == (3, 1)


def test_an_ordinary_user_s_closed_top_is_measured(ordinary_caller: Caller) -> None:
    code = """
import os
from cowl.layer.measure import measure
os.makedirs("top/in")
open("top/in/f", "w").write("x")
os.chmod("top", 0)
assert measure("top").size_bytes == 1
assert os.stat("top").st_mode & 0o777 == 0
os.chmod("top", 0o700)
"""
    done = ordinary_caller.python(code)
    assert done.returncode == 0, done.stderr
