"""Layers: staged, published once whoever else does the same, gone if nobody wants them."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest
from tests.unit.store.making import add_image, add_layer, diff_id, in_child, leftovers, open_store

from cowl.oci.digest import InvalidDigest
from cowl.store import Store
from cowl.store.faults import StoreFull
from cowl.store.layers import Layer
from cowl.store.leases import NoSuchLayer

CHAIN = "sha256:" + "c" * 64
OTHER_CHAIN = "sha256:" + "d" * 64


def test_a_stage_is_ready_to_be_an_upper(store: Store) -> None:
    with store.layers.stage() as stage:
        assert stat.S_IMODE(os.stat(stage.diff).st_mode) == 0o755
        assert os.listdir(stage.work) == []
        assert not os.path.exists(stage.recipe)
        mount = store.root_mount((), stage)
        assert (mount.upper, mount.work) == (stage.diff, stage.work)


def test_what_is_not_committed_is_gone(store: Store, root: Path) -> None:
    with store.layers.stage() as stage:
        (Path(stage.diff) / "file").write_text("x")
    assert not os.path.exists(stage.path)
    assert os.listdir(root / "layers") == []


def test_commit_publishes_diff_and_recipe_but_not_work(store: Store) -> None:
    with store.layers.stage() as stage:
        (Path(stage.diff) / "file").write_bytes(b"x" * 5000)
        Path(stage.recipe).write_bytes(b"r" * 10)
        os.mkdir(f"{stage.work}/work", 0o000)
        layer = store.layers.commit(stage, diff_id("a"), 6144)
    directory = Path(store.layers.directory(layer.key))
    assert sorted(os.listdir(directory)) == ["diff", "recipe"]
    assert (layer.key, layer.diff_id) == (diff_id("a").hex, diff_id("a"))
    assert (layer.size_bytes, layer.files, layer.tar_bytes) == (5000, 1, 6144)
    blocks = [path.lstat().st_blocks for path in (directory, *directory.rglob("*"))]
    assert layer.allocated_bytes == 512 * sum(blocks)
    assert store.check() == []


def test_the_same_layer_is_stored_once(store: Store, root: Path) -> None:
    first = add_layer(store, "a")
    second = add_layer(store, "a")
    assert first == second
    assert os.listdir(root / "layers") == [first.key]


def test_a_layer_that_needs_its_parents_is_kept_apart(store: Store) -> None:
    plain = add_layer(store, "plain")
    bound = add_layer(store, "bound", parent=CHAIN)
    assert bound.parent_chain == CHAIN
    assert store.layers.find(diff_id("plain"), CHAIN) == plain
    assert store.layers.find(diff_id("bound"), CHAIN) == bound
    assert store.layers.find(diff_id("bound"), OTHER_CHAIN) is None
    assert store.layers.find(diff_id("bound")) is None
    assert store.layers.find(diff_id("unknown")) is None
    assert add_layer(store, "bound", parent=OTHER_CHAIN).key != bound.key


def test_a_key_never_leaves_the_store(store: Store, root: Path) -> None:
    with store.layers.stage() as stage, pytest.raises(InvalidDigest):
        store.layers.commit(stage, "sha256:../../../../tmp/x", 0)
    with pytest.raises(NoSuchLayer):
        store.layers.get("../../etc")


def test_what_nobody_referred_to_goes_at_close(root: Path) -> None:
    with open_store(root) as store:
        lonely = add_layer(store, "lonely")
        used = add_layer(store, "used")
        add_image(store, "image", [used])
        assert store.layers.get(lonely.key) == lonely
    with open_store(root) as store:
        assert store.layers.list() == (used,)
        assert store.check() == []
        assert leftovers(root) == {}


def test_a_full_disk_is_typed_and_leaves_nothing(store: Store) -> None:
    def unpack() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StoreFull) as caught, store.layers.stage() as stage:
        unpack()
    assert not os.path.exists(stage.path)
    assert "system df" in caught.value.hint


def test_threads_may_commit_the_same_layer(store: Store, root: Path) -> None:
    barrier = threading.Barrier(8)
    found: list[Layer] = []

    def work() -> None:
        barrier.wait()
        found.append(add_layer(store, "same"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert os.listdir(root / "layers") == [found[0].key]
    assert store.check() == []


def test_processes_may_commit_the_same_layer(root: Path) -> None:
    """One wins, the others drop what they staged."""
    open_store(root).close()
    ready, go = os.pipe()
    children = []
    for _ in range(6):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(go)
                os.read(ready, 1)
                with open_store(root) as store:
                    layer = add_layer(store, "same", {"file": 100_000})
                    add_image(store, "image", [layer])
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    os.close(go)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 6
    os.close(ready)
    with open_store(root) as store:
        assert os.listdir(root / "layers") == [diff_id("same").hex]
        assert store.check() == []
        assert leftovers(root) == {}


def test_what_a_crash_left_in_the_way_is_replaced(store: Store, root: Path) -> None:
    stale = root / "layers" / diff_id("a").hex
    (stale / "diff").mkdir(parents=True)
    (stale / "diff" / "half").write_text("half")
    layer = add_layer(store, "a")
    assert os.listdir(f"{store.layers.directory(layer.key)}/diff") == ["file"]


def test_a_forked_child_leaves_its_parents_stage_alone(store: Store) -> None:
    with store.layers.stage() as stage:
        assert in_child(stage.drop) == 0
        assert os.path.isdir(stage.diff)


def test_a_forked_child_can_work_by_itself(store: Store, root: Path) -> None:
    mine = add_layer(store, "mine")

    def work() -> None:
        theirs = add_layer(store, "theirs")
        add_image(store, "child", [theirs, mine])
        store.close()

    with store.layers.stage() as stage:
        assert in_child(work) == 0
        assert os.path.isdir(stage.path)
    assert [layer.size_bytes for layer in store.images.find("child").layers] == [100, 100]
    assert store.check() == []


def test_a_layer_that_comes_twice_is_mounted_once(store: Store) -> None:
    """overlayfs refuses one directory in two places; only the upper one could show anything."""
    lower, upper = add_layer(store, "a"), add_layer(store, "b")
    mount = store.root_mount([lower.key, upper.key, lower.key])
    assert mount.lowers[:-1] == tuple(f"{store.layers.directory(x.key)}/diff" for x in (lower, upper))
