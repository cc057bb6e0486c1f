"""What can be asked about: containers, images, snapshots and layers, by any of their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.store.making import add_container, add_image, add_layer, open_store

from cowl.accounting.compare import compare
from cowl.accounting.explain import explain
from cowl.accounting.subjects import (
    CONTAINER,
    IMAGE,
    LAYER,
    SNAPSHOT,
    NoSuchSubject,
    Subject,
    find_subject,
)
from cowl.store import Store
from cowl.store.contents import RemovedMeanwhile

ALL = (CONTAINER, IMAGE, SNAPSHOT, LAYER)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store") as opened:
        yield opened


def find(store: Store, text: str) -> Subject:
    return find_subject(store, text, lambda record: ["RUN x"] * len(record.layers), ALL)


def test_a_snapshot_and_what_is_forked_from_it(store: Store) -> None:
    image = add_image(store, "img", [add_layer(store, "a", {"f": 100, "g": 7})])
    box = add_container(store, image, "box", written=50)
    snapshot = store.snapshots.freeze(box.id, "before")
    Path(store.containers.get(box.id).upper, "f").write_bytes(b"12345")
    told = explain(store, find(store, "before"))
    assert (told.kind, told.name, told.id) == (SNAPSHOT, "before", snapshot.id)
    assert [(layer.instruction, layer.size_bytes) for layer in told.layers] == [
        ("RUN x", 107),
        ("what a container wrote, frozen by a snapshot", 50),
    ]
    after = explain(store, find(store, "box"))
    assert [layer.size_bytes for layer in after.layers] == [107, 50, 5]
    assert (after.shadowed_bytes, after.layers[2].hides_bytes) == (100, 100)
    compared = compare(store, find(store, "before"), find(store, "box"))
    assert [(each.kind, each.path, each.delta_bytes) for each in compared.changes] == [("C", "/f", -95)]
    compared = compare(store, find(store, "img"), find(store, "before"))
    assert [(each.kind, each.path) for each in compared.changes] == [("A", "/written")]


def test_names_and_beginnings(store: Store) -> None:
    layer = add_layer(store, "a")
    image = add_image(store, "img", [layer])
    box = add_container(store, image, "box")
    assert find(store, "img").id == find(store, image.id).id == find(store, image.id[:20]).id == image.id
    assert find(store, "box").id == find(store, box.id[:12]).id == box.id
    for text in (layer.key, layer.key[:10], layer.diff_id, layer.diff_id[:17]):
        assert (find(store, text).kind, find(store, text).id) == (LAYER, layer.key)
    with pytest.raises(NoSuchSubject, match="No such container, image, snapshot or layer: nope") as caught:
        find(store, "nope")
    assert caught.value.kinds == ALL
    add_container(store, image, "img")
    assert find(store, "img").kind == CONTAINER


def test_a_container_whose_image_was_forced_away(store: Store) -> None:
    image = add_image(store, "img", [add_layer(store, "a")])
    add_container(store, image, "box", written=3)
    store.images.remove(image.id)
    told = explain(store, find(store, "box"))
    assert [layer.instruction for layer in told.layers] == ["", "what container box wrote"]
    assert told.size_bytes == told.visible_bytes == 103


def test_what_is_removed_while_it_is_read(store: Store) -> None:
    image = add_image(store, "img", [add_layer(store, "a")])
    add_image(store, "kept", [add_layer(store, "b")])
    subject, kept = find(store, "img"), find(store, "kept")
    (contents,) = store.contents([(subject.keys, "")])
    store.images.remove(image.id)
    store.close()
    with open_store(store.root) as again:
        assert contents.copy_ups() == []  # what it has listed is not there any more
        for keys in (subject.keys, (*kept.keys, *subject.keys)):
            with pytest.raises(RemovedMeanwhile):
                again.check_there(keys)
        again.check_there(kept.keys)
        with pytest.raises(RemovedMeanwhile):
            explain(again, subject)
        with pytest.raises(RemovedMeanwhile):
            compare(again, kept, subject)


def test_asking_writes_nothing(store: Store) -> None:
    image = add_image(store, "img", [add_layer(store, "a"), add_layer(store, "b", {"file": 100})])
    add_container(store, image, "box", written=3)
    before = sorted((str(path), path.stat().st_mtime_ns) for path in Path(store.root).rglob("*"))
    explain(store, find(store, "img"), find(store, "box"))
    compare(store, find(store, "img"), find(store, "box"))
    assert before == sorted((str(path), path.stat().st_mtime_ns) for path in Path(store.root).rglob("*"))
