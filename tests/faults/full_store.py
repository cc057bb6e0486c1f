"""The stories of test_store_full, each run as a program: python -m tests.faults.full_store STORY MOUNT."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.unit.store.making import (
    add_container,
    add_image,
    add_layer,
    leftovers,
    open_store,
    planning,
    remove_image,
    use_cache,
)

from cowl.accounting.gc import make_policy
from cowl.errors import Unavailable
from cowl.store import Store
from cowl.store.faults import StoreFull
from cowl.store.reserve import RESERVE_BYTES


def fill(mount: Path) -> None:
    """Takes the last byte and, as far as files do, the last block."""
    with open(mount / "filler", "ab", buffering=0) as file:
        for length in (1 << 20, 4096, 512, 1):
            try:
                while file.write(b"f" * length) == length:
                    pass
            except OSError:
                continue
        os.fsync(file.fileno())
    for number in range(10_000):
        try:
            (mount / f"filler{number}").write_bytes(b"f")
        except OSError:
            return


def empty(mount: Path) -> None:
    for path in mount.glob("filler*"):
        path.unlink()


def sound(store: Store) -> None:
    assert store.check() == []
    found = leftovers(store.root)
    assert not found.get("trash"), found


def layer(mount: Path) -> None:
    """A layer that does not fit: refused, and its space is free again."""
    with open_store(mount / "store") as store:
        kept = add_image(store, "kept", [add_layer(store, "kept", {"file": 10_000})])
        for _ in range(2):
            with pytest.raises(StoreFull) as caught:
                add_layer(store, "big", {f"file{number}": 10 << 20 for number in range(9)})
            assert isinstance(caught.value, Unavailable)
            sound(store)
        assert add_layer(store, "fits", {"file": 20 << 20}).size_bytes == 20 << 20
        assert store.images.list() == (kept,)


def rows(mount: Path) -> None:
    """Rows that do not fit: a typed error, and what was there before is there still."""
    with open_store(mount / "store") as store:
        image = add_image(store, "kept", [add_layer(store, "kept")])
        fill(mount)
        with pytest.raises(StoreFull):
            for number in range(10_000):
                store.images.add(b"%d" % number + b" " * 5000, [])
        with pytest.raises(StoreFull):
            for number in range(10_000):
                add_container(store, image, f"box{number}", 5000 if number > 9 else 0)
        with pytest.raises((StoreFull, OSError)):
            for number in range(10_000):
                add_layer(store, f"layer{number}")
        sound(store)
        assert image in store.images.list()
        empty(mount)
        add_layer(store, "again")
        sound(store)


def deletion(mount: Path) -> None:
    """On a disk without a free byte everything can be deleted, twice over."""
    with open_store(mount / "store") as store:
        images = [
            add_image(store, f"image{number}", [add_layer(store, f"layer{number}", {"file": 300_000})])
            for number in range(5)
        ]
        boxes = [add_container(store, image, "", 100_000) for image in images]
        store.steps.add("step", add_layer(store, "cached").key, "RUN")
        for box, image in zip(boxes, images, strict=True):
            fill(mount)
            store.containers.remove(box.id)
            fill(mount)
            assert remove_image(store, image.id).freed_bytes > 300_000
        fill(mount)
        assert store.steps.prune() > 0
        sound(store)
        assert store.layers.list() == ()
        empty(mount)
        add_container(store, add_image(store, "new", []))
        remove_image(store, "new", force=True)
        assert (mount / "store" / "reserve").stat().st_blocks * 512 >= RESERVE_BYTES


def plans(mount: Path) -> None:
    """On a disk without a free byte a removal is planned as ever, and frees what it said."""
    with open_store(mount / "store") as store:
        for name in ("one", "two"):
            image = add_image(store, name, [add_layer(store, name, {"file": 300_000})])
            add_container(store, image, f"box-{name}", 100_000)
            store.steps.add(name, add_layer(store, f"cached {name}", {"file": 200_000}).key, "RUN")
            with use_cache(store, name) as cache:
                Path(cache.path, "kept").write_bytes(b"k" * 50_000)
        store.close()
    with open_store(mount / "store") as store:
        fill(mount)
        plan = planning(store).removal(images=["one"], containers=["box-one"], cache_mounts=["one"])
        assert plan.apply().freed_bytes == plan.frees > 400_000
        fill(mount)
        plan = planning(store).gc(make_policy(None, "", ("two*",), (), False, 2e9))
        assert [each.kind for each in plan.objects] == ["container", "step", "step"]
        assert plan.apply().freed_bytes == plan.frees > 500_000
        fill(mount)
        kinds = ("containers", "images", "build-cache")
        plan = planning(store).prune(kinds, every=True, filters=(), keep_bytes=None, now=2e9)
        assert plan.apply().freed_bytes == plan.frees > 300_000
        sound(store)
        assert store.layers.list() == ()


def opening(mount: Path) -> None:
    """A store can be opened on a full disk, to delete; one that is not there yet can't be made."""
    with open_store(mount / "store") as store:
        add_image(store, "image", [add_layer(store, "layer", {"file": 300_000})])
    fill(mount)
    with pytest.raises(StoreFull):
        open_store(mount / "another")
    with open_store(mount / "store") as store:
        remove_image(store, "image")
        sound(store)


def snapshots(mount: Path) -> None:
    """What can't be frozen, copied or restored is as it was; snapshots can be removed in any case."""
    with open_store(mount / "store") as store:
        box = add_container(store, add_image(store, "image", [add_layer(store, "layer")]), "box", 25 << 20)
        for _ in range(2):
            with pytest.raises(StoreFull), store.layers.stage() as stage:
                (Path(stage.path) / "filler").write_bytes(b"f" * (20 << 20))
                store.copy_upper(box.id, stage)
        first = store.snapshots.freeze(box.id)
        for _ in range(3):
            Path(store.containers.get(box.id).upper, "more").write_bytes(b"m")
            fill(mount)
            for act in (store.snapshots.freeze, lambda each: store.snapshots.restore(each, first.id)):
                try:
                    act(box.id)
                except StoreFull:
                    assert "more" in os.listdir(store.containers.get(box.id).upper)
                sound(store)
            empty(mount)
        view = store.view(store.containers.get(box.id).layer_keys)
        assert len(view.read_file("/written", 25 << 20)) == 25 << 20
        fill(mount)
        store.containers.remove(box.id)
        for taken in store.snapshots.list():
            store.snapshots.remove(taken.id)
        sound(store)
        assert len(store.layers.list()) == 1


def volumes(mount: Path) -> None:
    """A volume that can't be filled stays empty, to be filled another time; one can always be removed."""
    image = mount.with_name("image")
    (image / "data").mkdir(parents=True)
    for number in range(4):
        (image / "data" / f"file{number}").write_bytes(b"x" * (10 << 20))
    with open_store(mount / "store") as store:
        for name in ("one", "two"):
            store.volumes.create(name)
        store.volumes.fill("one", store.view((), str(image)), "/data")
        with pytest.raises(StoreFull, match="for filling the volume two"):
            store.volumes.fill("two", store.view((), str(image)), "/data")
        assert os.listdir(store.volumes.get("two").path) == []
        sound(store)
        fill(mount)
        with pytest.raises(StoreFull):
            for number in range(10_000):
                store.volumes.create(f"more{number}")
        store.volumes.remove("one")
        sound(store)
        empty(mount)
        store.volumes.fill("two", store.view((), str(image)), "/data")
        assert len(os.listdir(store.volumes.get("two").path)) == 4
        sound(store)


if __name__ == "__main__":
    stories = {
        "layer": layer,
        "rows": rows,
        "deletion": deletion,
        "opening": opening,
        "plans": plans,
        "snapshots": snapshots,
        "volumes": volumes,
    }
    stories[sys.argv[1]](Path(sys.argv[2]))
