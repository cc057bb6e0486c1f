"""A removal is a plan, then a transaction: what it says, what it frees, and what makes it refuse."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.accounting.applying import applied
from tests.unit.store.making import (
    add_container,
    add_image,
    add_layer,
    leftovers,
    planning,
    remove_image,
    use_cache,
)

from cowl.linux.process import ProcessId
from cowl.store import Store
from cowl.store.apply import StoreChanged
from cowl.store.containers import ContainerRunning
from cowl.store.snapshot_record import SnapshotInUse


def test_a_set_frees_what_its_parts_do_not(store: Store) -> None:
    base = add_layer(store, "base", {"big": 300_000})
    one = add_image(store, "one", [base, add_layer(store, "left", {"left": 5000})])
    add_image(store, "two", [base])
    box = add_container(store, one, "box", 70_000)
    store.steps.add("step", base.key, "COPY big /")
    with use_cache(store, "pip") as cache:
        Path(cache.path, "wheel").write_bytes(b"w" * 9000)
    alone = planning(store).removal(images=["two"])
    assert (alone.frees, alone.layers) == (0, ())
    needed = [stay.needed_by for stay in alone.stays]
    assert needed == [("image one:latest", "container box", "1 step of the build cache")]
    plan = planning(store).removal(
        images=["one", "two"], containers=["box"], steps=["ste"], cache_mounts=["pip"]
    )
    assert [(each.kind, each.names) for each in plan.objects] == [
        ("container", ("box",)),
        ("image", ("one:latest",)),
        ("image", ("two:latest",)),
        ("step", ("COPY big /",)),
        ("cache", ("pip",)),
    ]
    assert plan.stays == () and plan.exact
    assert plan.objects[0].own_bytes > 70_000 and plan.objects[1].own_bytes == 0
    receipt = applied(store, plan)
    assert {(kind, name) for kind, name, _ in receipt.freed} >= {("container", box.id), ("layer", base.key)}
    assert store.layers.list() == ()
    assert "trash" not in leftovers(store.root)


def test_an_inode_with_several_names_is_freed_once(store: Store) -> None:
    with store.layers.stage() as stage:
        Path(stage.diff, "a").write_bytes(b"a" * 100_000)
        os.link(f"{stage.diff}/a", f"{stage.diff}/b")
        layer = store.layers.commit(stage, "sha256:" + "1" * 64, 1024)
    add_image(store, "linked", [layer])
    applied(store, planning(store).removal(images=["linked"]))


def share(store: Store, size: int, *keys: str) -> None:
    """Makes the file "f" of these layers one inode, as `cowl dedupe` does."""
    first = f"{store.layers.directory(keys[0])}/diff/f"
    for key in keys[1:]:
        other = f"{store.layers.directory(key)}/diff/f"
        os.unlink(other)
        os.link(first, other)
    allocated = os.stat(first).st_blocks * 512
    with store._database.write() as transaction:
        shared = transaction.insert(
            "INSERT INTO shared_inodes (inodes, size_bytes, allocated_bytes) VALUES (1, ?, ?)",
            (size, allocated),
        )
        for key in keys:
            transaction.run("INSERT INTO shared_inode_layers VALUES (?, ?)", (shared, key))


def shared_three(store: Store) -> None:
    layers = [add_layer(store, name, {"f": 50_000, "own": 10}) for name in ("l0", "l1", "l2")]
    for name, layer in zip(("zero", "one", "two"), layers, strict=True):
        add_image(store, name, [layer])
    share(store, 50_000, *(layer.key for layer in layers))


def test_a_shared_inode_is_freed_with_the_last_of_its_layers(store: Store) -> None:
    shared_three(store)
    assert applied(store, planning(store).removal(images=["one"])).freed_bytes < 50_000
    assert applied(store, planning(store).removal(images=["zero"])).freed_bytes < 50_000
    assert applied(store, planning(store).removal(images=["two"])).freed_bytes > 50_000


def test_a_shared_inode_that_all_layers_of_a_plan_have_counts_once(store: Store) -> None:
    shared_three(store)
    plan = planning(store).removal(images=["zero", "one", "two"])
    assert 50_000 < plan.frees < 100_000
    applied(store, plan)


def test_a_layer_whose_twin_went_meanwhile_frees_another_number_of_bytes(store: Store) -> None:
    shared_three(store)
    remove_image(store, "zero")
    plan = planning(store).removal(images=["one"])
    remove_image(store, "two")
    with pytest.raises(StoreChanged, match="its layers give back"):
        plan.apply()


def start(store: Store) -> None:
    store.containers.started(store.containers.find("idle").id, ProcessId.current())


def use(store: Store) -> None:
    use_cache(store, "pip").close()


CHANGES: dict[str, Callable[[Store], object]] = {
    "container idle was created and is running": start,
    "container idle is gone": lambda store: store.containers.remove(store.containers.find("idle").id),
    "image app:latest is used by other containers": lambda store: add_container(
        store, store.images.find("app"), "new"
    ),
    r"image app:latest has other names \(.*app:2, .*app:latest\)": lambda store: store.images.tag(
        store.images.find("app").id, "app:2"
    ),
    "the layer [0-9a-f]{12} is needed by something new": lambda store: store.steps.add(
        "other", store.images.find("app").layers[0].key, "RUN"
    ),
    "build step step is gone": lambda store: store.steps.forget("step"),
    "build step step was used or changed": lambda store: store.steps.add("step", None, "WORKDIR /"),
    "cache mount pip was used or changed": use,
}


@pytest.mark.parametrize("said", CHANGES)
def test_a_plan_does_all_or_nothing(store: Store, said: str) -> None:
    image = add_image(store, "app", [add_layer(store, "base")])
    add_container(store, image, "idle")
    store.steps.add("step", add_layer(store, "cached").key, "RUN make")
    use(store)
    plan = planning(store).removal(images=["app"], containers=["idle"], steps=["step"], cache_mounts=["pip"])
    CHANGES[said](store)
    before = store.rows()
    with pytest.raises(StoreChanged, match=f"the store changed since the plan was made: {said}") as caught:
        plan.apply()
    assert caught.value.message.endswith("; plan again")
    assert store.rows() == before
    assert store.check() == []
    if store.containers.alive():
        store.containers.exited(store.containers.find("idle").id, 0)


def test_what_has_nothing_to_do_with_it_may_change(store: Store) -> None:
    add_image(store, "app", [add_layer(store, "base")])
    plan = planning(store).removal(images=["app"])
    add_container(store, add_image(store, "other", [add_layer(store, "top")]), "box")
    applied(store, plan)
    with pytest.raises(StoreChanged, match="image app:latest is gone"):
        plan.apply()


def test_a_refused_part_refuses_the_whole(store: Store) -> None:
    image = add_image(store, "app", [add_layer(store, "base")])
    box = add_container(store, image, "box")
    store.containers.started(box.id, ProcessId.current())
    add_image(store, "free", [])
    plan = planning(store).removal(containers=["box"], images=["app", "free"])
    assert [(each.kind, each.id) for each in plan.objects] == [("image", store.images.find("free").id)]
    assert [(stay.kind, stay.names, stay.needed_by) for stay in plan.stays] == [
        ("container", ("box",), ()),
        ("image", ("app:latest",), ("container box",)),
    ]
    with pytest.raises(ContainerRunning, match="stop the container before removing or force remove"):
        plan.apply()
    assert len(store.images.list()) == 2
    store.containers.exited(box.id, 0)


def test_names_win_over_ids(store: Store) -> None:
    one = add_image(store, "one", [add_layer(store, "base")])
    add_image(store, "two", [], tags=[one.id.hex[:12]])
    box = add_container(store, one, "box")
    add_container(store, one, box.id[:12])
    plan = planning(store).removal(images=[one.id.hex[:12]], containers=[box.id[:12]])
    assert [each.names for each in plan.objects] == [(box.id[:12],), (f"{one.id.hex[:12]}:latest",)]


def test_a_plan_tells_itself_as_json_knows_it(store: Store) -> None:
    image = add_image(store, "app", [add_layer(store, "base")])
    plan = planning(store).removal(images=["app"])
    layer = image.layers[0]
    assert plan.as_dict() == {
        "objects": [{"kind": "image", "id": image.id, "names": ("app:latest",), "own_bytes": 0}],
        "untags": ["app:latest"],
        "layers": [
            {
                "key": layer.key,
                "diff_id": layer.diff_id,
                "users": ("app:latest",),
                "frees_bytes": layer.allocated_bytes,
            }
        ],
        "frees_bytes": layer.allocated_bytes,
        "exact": True,
        "stays": [],
        "refused": [],
    }


def test_what_stays_says_who_needs_it(store: Store) -> None:
    base, top = add_layer(store, "base"), add_layer(store, "top")
    add_image(store, "child", [base, top])
    parent = add_image(store, "parent", [base])
    box = add_container(store, parent, "box", 5000)
    store.containers.started(box.id, ProcessId.current())
    store.containers.exited(box.id, 0)
    taken = store.snapshots.freeze(box.id, "first")
    about = (taken.image_id, taken.layer_keys, taken.settings)
    store.containers.create("fork", *about, snapshot=taken)
    plan = planning(store).removal(snapshots=["first"])
    (stay,) = plan.stays
    assert stay.needed_by == ("container fork",) and plan.objects == ()
    with pytest.raises(SnapshotInUse, match="a container stands on it: fork"):
        plan.apply()
    forced = planning(store).removal(snapshots=["first"], force=True)
    assert forced.frees == 0
    assert {frozenset(stay.needed_by) for stay in forced.stays} == {
        frozenset({"image child:latest", "image parent:latest", "container fork", "container box"}),
        frozenset({"container fork", "container box"}),
    }
    gone = planning(store).removal(snapshots=["first"], containers=["fork", "box"])
    assert [each.kind for each in gone.objects] == ["container", "container", "snapshot"]
    applied(store, gone)
    with store.lease("build") as lease:
        lease.pin(top.key)
        plan = planning(store).removal(images=["child"])
        assert {stay.needed_by for stay in plan.stays} == {
            ("image parent:latest",),
            ("a running pull, build or commit",),
        }
        assert applied(store, plan).freed_bytes == 0
