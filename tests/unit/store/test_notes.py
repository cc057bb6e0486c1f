"""Notes: what explains a miss outlives the step, within bounds."""

from __future__ import annotations

import pytest
from tests.unit.store.making import add_layer

from cowl.store import Store, notes
from cowl.store.notes import StepNote


def note(key: str, **changes: object) -> StepNote:
    return StepNote(key, "run", "here", "one", "text", "below", "{}", b"files").replace(**changes)


def add(store: Store, *found: StepNote) -> None:
    for each in found:
        store.steps.add(each.key, None, "RUN", each)


def test_a_note_outlives_its_step(store: Store) -> None:
    layer = add_layer(store, "a")
    store.steps.add("k", layer.key, "RUN", note("k"))
    store.steps.prune()
    found = store.notes.get("k")
    assert found is not None
    assert found.replace(created_at=0.0) == note("k", files=b"")
    assert found.created_at > 0
    assert store.notes.files("k") == b"files"
    assert (store.notes.get("other"), store.notes.files("other")) == (None, b"")


def test_what_is_near(store: Store) -> None:
    add(
        store,
        note("place", text="other", below="x"),
        note("said", place="two", below="x"),
        note("elsewhere", origin="there", place="two"),
        note("twin", origin="twin", text="other", below="x"),
        note("kind", kind="copy"),
        note("far", origin="there", below="x"),
        note("unlike", place="two", text="other"),
    )
    assert {each.key for each in store.notes.near(note("new"), "")} == {"place", "said", "elsewhere"}
    assert "twin" in {each.key for each in store.notes.near(note("new"), "twin")}


def test_only_the_newest_of_a_place_are_kept(store: Store) -> None:
    add(store, *(note(str(number)) for number in range(notes.PER_PLACE + 3)))
    assert [each.key for each in store.notes.near(note("new"), "")] == [
        str(number) for number in reversed(range(3, notes.PER_PLACE + 3))
    ]
    add(store, note("3", below="again"))
    newest = store.notes.near(note("new"), "")
    assert (newest[0].key, len(newest)) == ("3", notes.PER_PLACE)


def test_all_of_them_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "MOST", 5)
    add(store, *(note(str(number), place=str(number)) for number in range(8)))
    assert [store.notes.get(str(number)) is not None for number in range(8)] == [False] * 3 + [True] * 5
    monkeypatch.setattr(notes, "MOST_BYTES", 100)
    add(store, note("big", files=b"x" * 95))
    assert store.notes.get("big") is not None
    assert store.notes.get("7") is None
