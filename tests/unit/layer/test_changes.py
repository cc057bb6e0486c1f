"""Changes that several trees make together: what one made and another took back is none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cowl.layer.changes import merged_changes
from cowl.layer.view import MergedView
from cowl.layer.whiteout import make_opaque, make_whiteout

GONE, OPAQUE, LINK = "gone", "opaque", "link"


def tree(place: Path, content: Mapping[str, str]) -> str:
    """A tree in diff form: paths to a file's text, GONE, OPAQUE (a directory) or LINK (to /other)."""
    place.mkdir()
    for path, what in content.items():
        target = place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if what == GONE:
            make_whiteout(str(target))
        elif what == OPAQUE:
            target.mkdir(exist_ok=True)
            make_opaque(str(target))
        elif what == LINK:
            os.symlink("/other", target)
        else:
            target.write_text(what)
    return str(place)


def told(tmp_path: Path, below: Mapping[str, str], *trees: Mapping[str, str]) -> list[str]:
    """The changes of trees, the lowest first."""
    made = [tree(tmp_path / f"tree{number}", content) for number, content in enumerate(trees)]
    view = MergedView([tree(tmp_path / "below", below)])
    return [f"{change.kind} {change.path}" for change in merged_changes(made[::-1], view)]


def test_what_was_made_and_removed_is_no_change(tmp_path: Path) -> None:
    assert told(tmp_path, {"a": "x"}, {"new": "x"}, {"new": GONE}) == []


def test_what_was_removed_and_made_is_changed(tmp_path: Path) -> None:
    assert told(tmp_path, {"a": "x"}, {"a": GONE}, {"a": "y"}) == ["C /a"]


def test_a_removed_directory_is_told_once(tmp_path: Path) -> None:
    below = {"d/one": "x", "d/two": "x"}
    assert told(tmp_path, below, {"d/one": "y", "d/two": GONE}, {"d": GONE}) == ["D /d"]


def test_an_opaque_directory_hides_what_was_below(tmp_path: Path) -> None:
    below = {"d/one": "x", "d/two": "x"}
    told_now = told(tmp_path, below, {"d": OPAQUE, "d/two": "y"}, {"d/new": "z"})
    assert told_now == ["C /d", "A /d/new", "D /d/one", "C /d/two"]


def test_a_link_in_place_of_a_directory_leads_nowhere(tmp_path: Path) -> None:
    below = {"d/one": "x", "other/one": "x"}
    assert told(tmp_path, below, {"d/one": "y"}, {"d": LINK}) == ["C /d"]


def test_one_tree_is_told_as_before(tmp_path: Path) -> None:
    assert told(tmp_path, {"a": "x", "b": "x"}, {"a": "y", "b": GONE, "c": "z"}) == ["C /a", "D /b", "A /c"]
