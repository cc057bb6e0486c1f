"""Steps, blobs and leases: what keeps a layer, and for how long."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.unit.store.making import (
    add_container,
    add_image,
    add_layer,
    diff_id,
    in_child,
    open_store,
    remove_image,
)

from cowl.errors import NotFound
from cowl.store import Store
from cowl.store.leases import NoSuchLayer
from cowl.store.steps import NO_LAYER


def test_a_step_leads_to_its_layer(store: Store) -> None:
    layer = add_layer(store, "a")
    store.steps.add("run", layer.key, "RUN make")
    store.steps.add("workdir", None, "WORKDIR /")
    assert store.steps.find("run") == layer
    assert store.steps.find("workdir") is NO_LAYER
    assert store.steps.find("unknown") is None
    store.steps.touch(["run"])
    with pytest.raises(NoSuchLayer):
        store.steps.add("bad", "0" * 64, "RUN no")


def test_a_step_keeps_its_layer_across_opens(root: Path) -> None:
    with open_store(root) as store:
        layer = add_layer(store, "a")
        store.steps.add("run", layer.key, "RUN make")
    with open_store(root) as store:
        assert store.steps.find("run") == layer
        store.steps.forget("run")
        store.steps.forget("run")
        assert store.layers.list() == ()


def test_prune_frees_what_no_image_needs(store: Store) -> None:
    shared, own = add_layer(store, "shared"), add_layer(store, "own")
    store.steps.add("1", shared.key, "RUN a")
    store.steps.add("2", own.key, "RUN b")
    store.steps.add("3", own.key, "RUN c")
    store.steps.add("4", None, "RUN d")
    add_image(store, "image", [shared])
    assert store.steps.prune() == own.allocated_bytes
    assert store.steps.find("1") is None
    assert store.layers.list() == (shared,)
    assert store.steps.prune() == 0


def test_blobs_are_known_while_their_layer_is_there(store: Store) -> None:
    image = add_image(store, "image", [add_layer(store, "a")])
    store.blobs.record("sha256:" + "1" * 64, diff_id("a"), 77, "application/x")
    known = store.blobs.known("sha256:" + "1" * 64)
    assert known is not None
    assert (known.diff_id, known.size_bytes, known.media_type) == (diff_id("a"), 77, "application/x")
    assert store.blobs.of_layer(diff_id("a")) == (known,)
    store.images.remove(image.id)
    assert store.blobs.known("sha256:" + "1" * 64) is None


def test_a_lease_keeps_layers_from_everybody(store: Store, root: Path) -> None:
    with store.lease("pull") as lease:
        layer = add_layer(store, "a")
        lease.pin(layer.key)
        lease.pin(layer.key)
        with open_store(root) as other:
            assert other.collect() == 0
            image = add_image(other, "image", [other.layers.get(layer.key)])
            other.images.remove(image.id)
        assert store.layers.list() == (layer,)
    assert store.layers.list() == ()
    with pytest.raises(NotFound):
        lease.pin(layer.key)


def test_a_lease_can_pin_only_what_is_there(store: Store) -> None:
    with store.lease("pull") as lease, pytest.raises(NoSuchLayer):
        lease.pin("0" * 64)


def test_a_failed_pull_leaves_no_layer(store: Store) -> None:
    with pytest.raises(RuntimeError), store.lease("pull") as lease:
        lease.pin(add_layer(store, "a").key)
        raise RuntimeError
    assert store.layers.list() == ()


def test_a_forked_child_does_not_end_its_parents_lease(store: Store) -> None:
    with store.lease("pull") as lease:
        layer = add_layer(store, "a")
        lease.pin(layer.key)

        def work() -> None:
            lease.close()
            store.close()

        assert in_child(work) == 0
        assert store.layers.list() == (layer,)


def test_a_used_layer_is_free_to_go_at_once(store: Store) -> None:
    """What this process committed is held only until it is referred to, not until the store closes."""
    image = add_image(store, "image", [add_layer(store, "a")])
    add_container(store, image)
    store.steps.add("step", add_layer(store, "b").key, "RUN")
    for box in store.containers.list():
        store.containers.remove(box.id)
    store.steps.prune()
    store.images.remove(image.id)
    assert store.layers.list() == ()


def test_threads_share_a_store(store: Store) -> None:
    base = add_image(store, "base", [add_layer(store, "base")])
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                box = add_container(store, base, f"box-{number}-{turn}")
                image = add_image(store, f"image{number}", [*base.layers, add_layer(store, f"top{turn}")])
                assert store.images.find(f"image{number}").id == image.id
                store.containers.remove(box.id)
                remove_image(store, f"image{number}")
        except BaseException as problem:  # noqa: BLE001  # reported by the main thread
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [image.id for image in store.images.list()] == [base.id]
    assert store.check() == []
