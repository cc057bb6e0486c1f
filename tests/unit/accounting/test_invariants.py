"""The invariants of accounting, on random stores: total, predictions, nothing negative."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.unit.store.making import add_image, add_layer, open_store, planning, remove_image, use_cache

from cowl.accounting.selection import ImageInUse
from cowl.accounting.usage import Usage, usage
from cowl.accounting.verification import compare
from cowl.accounting.walk import Walk, verify
from cowl.layer.measure import measure
from cowl.linux.process import ProcessId

NOBODY = ProcessId(2**22 - 1, 1, "another boot")
NAMES = st.sampled_from([f"name{number}" for number in range(4)])
LAYERS = st.lists(st.integers(0, 9), min_size=0, max_size=4)
SIZES = st.sampled_from([0, 1, 100, 4096, 5000, 70_000])


def content_bytes(walked: Walk) -> int:
    """What layers, containers and cache mounts take, without the directories that hold them."""
    return sum(sum(walked.under(place).values()) for place in ("layers", "containers", "caches", "volumes"))


def check_figures(found: Usage) -> None:
    """Nothing is negative, and parts add up to wholes."""
    for image in found.images:
        assert image.shared_bytes + image.unique_bytes == image.size_bytes
        assert min(image.shared_bytes, image.unique_bytes, image.containers, image.frees_bytes) >= 0
        assert image.frees_bytes == found.reclaimable([("image", image.id)])
    for row in found.rows:
        assert 0 <= row.active <= row.total
        assert 0 <= row.reclaimable_bytes <= row.size_bytes
        assert 0 <= row.reclaimable_allocated_bytes <= row.allocated_bytes
    for box in found.containers:
        assert 0 <= box.size_bytes <= box.virtual_bytes
    staged = sum(layer.allocated_bytes for layer in found.layers if layer.owner == "staging")
    rows = {row.kind: row.allocated_bytes for row in found.rows}
    owners = found.owners
    assert owners["layer"] == rows["Images"]
    assert owners["container"] + owners["log"] == rows["Containers"]
    assert owners["volume"] == rows["Local Volumes"]
    assert owners["snapshot"] == rows.get("Snapshots", 0)
    assert owners["build cache"] + owners["cache mount"] == rows["Build Cache"] + rows.get("Failed Steps", 0)
    assert sum(rows.values()) + staged == found.total_allocated_bytes - sum(
        (found.metadata_bytes, found.staging_bytes, owners["blob"])
    )
    assert min(owners.values()) >= 0


def check_owners(found: Usage, walked: Walk) -> None:
    """Each owner's bytes are those that lie on disk in its objects."""
    places = {place: walked.under(place) for place in ("layers", "containers", "caches", "volumes")}
    assert {layer.key: layer.allocated_bytes for layer in found.layers} == places["layers"]
    assert {box.id: box.allocated_bytes for box in found.containers} == places["containers"]
    assert {mount.id: mount.allocated_bytes for mount in found.cache_mounts} == places["caches"]
    assert {volume.name: volume.allocated_bytes for volume in found.volumes} == places["volumes"]
    assert found.owners["blob"] == sum(walked.under("blobs").values())
    assert found.metadata_bytes == dict(walked.owners)["metadata"]


class StoreMachine(RuleBasedStateMachine):
    """Random operations on one store; the invariants hold after every one."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path("/tmp") / f"cowl-ledger-{os.getpid()}-{os.urandom(4).hex()}"
        self.store = open_store(self.root)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.root)

    @rule(name=NAMES, numbers=LAYERS)
    def build(self, name: str, numbers: list[int]) -> None:
        layers = [add_layer(self.store, f"l{number}", {"f": number * 3000, "g": 1}) for number in numbers]
        add_image(self.store, f"{name}-{numbers}", layers, tags=[name])

    @rule(number=st.integers(0, 9), key=st.integers(0, 5))
    def cache(self, number: int, key: int) -> None:
        layer = add_layer(self.store, f"l{number}", {"f": number * 3000, "g": 1})
        self.store.steps.add(f"step{key}", layer.key, "RUN")

    @rule(name=NAMES, size=SIZES, sharing=st.sampled_from(["shared", "private", "locked"]))
    def mount_cache(self, name: str, size: int, sharing: str) -> None:
        with use_cache(self.store, name, sharing=sharing) as cache:
            Path(cache.path, "kept").write_bytes(b"c" * size)
        os.sync()

    @rule(name=NAMES, size=SIZES)
    def write_volume(self, name: str, size: int) -> None:
        data = Path(self.root, "volumes", name, "data")
        data.mkdir(parents=True, exist_ok=True)
        (data / "kept").write_bytes(b"v" * size)
        os.sync()
        with self.store._database.write() as transaction:
            transaction.run("INSERT OR IGNORE INTO volumes VALUES (?, 0, '{}', 1.0, 1.0, 0, 0, 0.0)", (name,))
            transaction.run("UPDATE volumes SET last_used = ?, measured_at = 0", (time.time(),))

    @rule(size=SIZES)
    def keep_a_blob(self, size: int) -> None:
        Path(self.root, "blobs", f"{size}").write_bytes(b"b" * size)
        os.sync()

    @rule(number=st.integers(0, 9))
    def commit_unused(self, number: int) -> None:
        add_layer(self.store, f"l{number}", {"f": number * 3000, "g": 1})

    @precondition(lambda self: self.store.images.list())
    @rule(data=st.data(), size=SIZES, state=st.sampled_from(["created", "measured", "unmeasured"]))
    def run(self, data: st.DataObject, size: int, state: str) -> None:
        image = data.draw(st.sampled_from(self.store.images.list()))
        box = self.store.containers.create("", image.id, image.layer_keys, {})
        os.mkdir(f"{box.directory}/log")
        for place in (box.upper, box.directory, f"{box.directory}/log"):
            Path(place, "written").write_bytes(b"w" * size)
        os.sync()
        if state != "created":
            self.store.containers.started(box.id, NOBODY)
            self.store.containers.exited(box.id, 1, measure(box.upper) if state == "measured" else None)

    @precondition(lambda self: self.store.containers.list())
    @rule(data=st.data(), size=SIZES)
    def freeze(self, data: st.DataObject, size: int) -> None:
        box = data.draw(st.sampled_from(self.store.containers.list()))
        taken = self.store.snapshots.freeze(box.id)
        if size:
            Path(self.store.containers.get(box.id).upper, "later").write_bytes(b"l" * size)
        os.sync()
        with self.store._database.write() as transaction:  # what is measured at an exit is not so now
            transaction.run("UPDATE containers SET size_bytes = NULL, files = NULL WHERE id = ?", (box.id,))
        assert taken.layers == self.store.containers.get(box.id).layers

    @precondition(lambda self: self.store.snapshots.list())
    @rule(data=st.data(), count=st.integers(0, 3))
    def fork_or_hash(self, data: st.DataObject, count: int) -> None:
        taken = data.draw(st.sampled_from(self.store.snapshots.list()))
        for _ in range(count):
            self.store.containers.create("", taken.image_id, taken.layer_keys, {}, snapshot=taken)
        if not count and taken.layers:
            assert self.store.layers.hashed(taken.layers[-1].key).diff_id

    @precondition(lambda self: self.store.snapshots.list() and self.store.containers.list())
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        taken = data.draw(st.sampled_from(self.store.snapshots.list()))
        box = data.draw(st.sampled_from(self.store.containers.list()))
        assert self.store.snapshots.restore(box.id, taken.id).layers == taken.layers

    @rule(name=NAMES, force=st.booleans())
    def remove_name(self, name: str, force: bool) -> None:
        if any(f"docker.io/library/{name}:latest" in image.references for image in self.store.images.list()):
            try:
                remove_image(self.store, name, force)
            except ImageInUse:
                assert not force

    @rule()
    def prune(self) -> None:
        before = content_bytes(verify(str(self.root)))
        freed = self.store.steps.prune()
        assert before - content_bytes(verify(str(self.root))) == freed

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = open_store(self.root)

    @rule(data=st.data())
    def remove_as_predicted(self, data: st.DataObject) -> None:
        """Any set of objects frees exactly what was said before."""
        found, chosen = self.choose(data)
        before = content_bytes(verify(str(self.root)))
        remove: dict[str, Callable[[str], object]] = {
            "image": self.store.images.remove,
            "container": self.store.containers.remove,
            "snapshot": lambda identity: self.store.snapshots.remove(identity, force=True),
            "step": self.store.steps.forget,
            "cache": self.remove_cache,
        }
        for kind, identity in data.draw(st.permutations(chosen)):
            remove[kind](identity)
        freed = before - content_bytes(verify(str(self.root)))
        assert freed == found.reclaimable(chosen)

    @rule(data=st.data())
    def remove_by_plan(self, data: st.DataObject) -> None:
        """The same as one plan: what it said, what it measured and what a walk finds."""
        found, chosen = self.choose(data)
        named = {kind: [name for each, name in chosen if each == kind] for kind, _ in chosen}
        plan = planning(self.store).removal(
            images=named.get("image", ()),
            containers=named.get("container", ()),
            snapshots=named.get("snapshot", ()),
            steps=named.get("step", ()),
            cache_mounts=named.get("cache", ()),
            force=True,
        )
        before = content_bytes(verify(str(self.root)))
        receipt = plan.apply()
        assert set(receipt.removed) == set(chosen)
        assert receipt.freed_bytes == plan.frees == found.reclaimable(chosen)
        assert receipt.freed_bytes == before - content_bytes(verify(str(self.root)))

    def choose(self, data: st.DataObject) -> tuple[Usage, list[tuple[str, str]]]:
        """Any set of objects that exist."""
        self.reopen()
        found = usage(self.store)
        objects = [("image", image.id) for image in found.images]
        objects += [("container", box.id) for box in found.containers]
        objects += [("snapshot", snapshot.id) for snapshot in found.snapshots]
        objects += [("step", step.key) for step in found.cache]
        objects += [("cache", mount.id) for mount in found.cache_mounts]
        return found, [thing for thing in objects if data.draw(st.booleans())]

    def remove_cache(self, identity: str) -> None:
        self.store.cache_mounts.remove(self.store.cache_mounts.find(identity))

    @invariant()
    def total_is_the_walk_s(self) -> None:
        for _ in range(3):  # the kernel may write the database back between the two
            found, walked = usage(self.store), verify(str(self.root))
            if found.total_allocated_bytes == walked.total_allocated_bytes:
                break
        assert found.total_allocated_bytes == walked.total_allocated_bytes
        check_figures(found)
        check_owners(found, walked)
        assert compare(found, walked).differences == ()

    @invariant()
    def directories_equal_rows(self) -> None:
        assert self.store.check() == []


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)


@settings(max_examples=20, deadline=None)
@given(stacks=st.lists(LAYERS, max_size=5))
def test_whole_images_share_as_their_stacks_do(stacks: list[list[int]]) -> None:
    """Shared and unique bytes against their definition, spelled out with sets."""
    root = Path("/tmp") / f"cowl-sharing-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with open_store(root) as store:
            made: dict[str, list[int]] = {}
            for number, stack in enumerate(stacks):
                layers = [add_layer(store, f"l{name}", {"f": name * 100 + 1}) for name in stack]
                made[add_image(store, f"i{number}", layers).id] = stack
            for image in usage(store).images:
                others: set[int] = set()
                others.update(*(found for other, found in made.items() if other != image.id))
                own = [name for name in made[image.id] if name not in others]
                assert image.unique_bytes == sum(name * 100 + 1 for name in own)
                assert image.size_bytes == sum(name * 100 + 1 for name in made[image.id])
    finally:
        shutil.rmtree(root)
