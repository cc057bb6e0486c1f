"""File records: which file differs, and what is left of that in a huge tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.build.file_records import FileRecords, bounded, changed_files, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.file_records import Record

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
RECORDS = st.tuples(
    st.just("file"), st.sampled_from((0o644, 0o755)), st.just(0), st.integers(0, 1), st.sampled_from("xyz")
)
TREES = st.dictionaries(PATHS, RECORDS, max_size=12)


def full(records: dict[str, Record]) -> FileRecords:
    return FileRecords(0, records)


@given(TREES)
def test_they_survive_being_kept(tree: dict[str, Record]) -> None:
    assert parse(full(tree).to_bytes()) == full(tree)


@given(TREES, TREES, st.sampled_from((1, 2, 5, 100)))
def test_a_difference_is_found_exactly_when_there_is_one(
    old: dict[str, Record], new: dict[str, Record], limit: int
) -> None:
    kept = bounded(full(old), limit)
    assert len(kept.records) <= limit
    assert bool(changed_files(kept, full(new))) == (old != new)


@given(TREES, TREES)
def test_what_is_told_is_all_and_true(old: dict[str, Record], new: dict[str, Record]) -> None:
    told = changed_files(full(old), full(new))
    renamed = [each for each in told if each.change == "renamed"]
    gone = {each.name for each in told if each.change in ("removed", "renamed")}
    come = {each.name for each in told if each.change == "added"} | {each.new for each in renamed}
    other = {each.name for each in told} - gone - come
    assert gone == old.keys() - new.keys()
    assert come == new.keys() - old.keys()
    assert other == {path for path in old.keys() & new.keys() if old[path] != new[path]}
    assert all(old[each.old] == new[each.new] for each in renamed)


def test_a_huge_tree_is_folded_as_little_as_it_takes() -> None:
    tree: dict[str, Record] = {f"d{n % 4}/s{n % 8}/{n}": ("file", 0o644, 0, 0, "x") for n in range(100)}
    kept = bounded(full(tree), 10)
    assert sorted(kept.records) == [f"d{n % 4}/s{n}" for n in sorted(range(8), key=lambda n: (n % 4, n))]
    (told,) = changed_files(kept, full({**tree, "d1/s5/5": ("file", 0o755, 0, 0, "x")}))
    assert told.text == "something in d1/s5 changed (too many files to tell which)"
    flat: dict[str, Record] = {str(n): ("file", 0o644, 0, 0, "x") for n in range(100)}
    (told,) = changed_files(bounded(full(flat), 10), full({**flat, "1": ("file", 0, 0, 0, "x")}))
    assert told.text == "something changed (too many files to tell which)"


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (("file", 0o644, 0, 0, "y"), "content"),
        (("file", 0o755, 0, 0, "x"), "mode"),
        (("file", 0o644, 1, 0, "x"), "owner"),
        (("symlink", 0o777, 0, 0, "x"), "kind"),
    ],
)
def test_what_changed_is_named(record: Record, change: str) -> None:
    (told,) = changed_files(full({"a": ("file", 0o644, 0, 0, "x")}), full({"a": record}))
    assert (told.text, told.change) == (f"a changed ({change})", change)
