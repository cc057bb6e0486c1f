"""Usage: the figures of a small store, every one worked out by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.store.making import add_container, add_image, add_layer, open_store

from cowl.accounting.container_usage import ContainerUsage
from cowl.accounting.image_usage import ImageUsage
from cowl.accounting.usage import Usage, usage
from cowl.accounting.walk import verify
from cowl.config import Config
from cowl.layer.measure import measure
from cowl.linux.process import ProcessId
from cowl.store import Store
from cowl.store.images import ImageRecord
from cowl.store.layers import Layer

MEBI = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    with open_store(root) as opened:
        yield opened


class Example:
    """Two images on one base, three containers, one of which copied a base file up; one cached step."""

    def __init__(self, store: Store) -> None:
        self.base = add_layer(store, "base", {"big": MEBI, "small": 10})
        self.left = add_layer(store, "left", {"left": 300})
        self.right = add_layer(store, "right", {"right": 5000})
        self.cached = add_layer(store, "cached", {"cached": 70_000})
        self.one = add_image(store, "one", [self.base, self.left])
        self.two = add_image(store, "two:2", [self.base, self.right])
        store.steps.add("step right", self.right.key, "COPY right /")
        store.steps.add("step cached", self.cached.key, "RUN make")
        store.steps.add("step none", None, "WORKDIR /")
        self.running = add_container(store, self.one, "running", MEBI)
        self.stopped = add_container(store, self.one, "stopped", 7)
        self.idle = add_container(store, self.two, "idle")
        store.containers.started(self.running.id, ProcessId.current())
        store.containers.started(self.stopped.id, ProcessId.current())
        store.containers.exited(self.stopped.id, 0, measure(self.stopped.upper))


@pytest.fixture
def example(store: Store) -> Iterator[Example]:
    made = Example(store)
    yield made
    store.containers.exited(made.running.id, 0)


def image_of(found: Usage, record: ImageRecord) -> ImageUsage:
    return next(image for image in found.images if image.id == record.id)


def container_of(found: Usage, name: str) -> ContainerUsage:
    return next(container for container in found.containers if container.names == (name,))


def test_an_empty_store_is_only_metadata(store: Store, root: Path) -> None:
    found = usage(store)
    assert [(row.kind, row.total, row.size_bytes, row.allocated_bytes) for row in found.rows] == [
        ("Images", 0, 0, 0),
        ("Containers", 0, 0, 0),
        ("Local Volumes", 0, 0, 0),
        ("Build Cache", 0, 0, 0),
    ]
    assert found.total_allocated_bytes == found.metadata_bytes == verify(str(root)).total_allocated_bytes


def test_rows_are_docker_s(store: Store, example: Example) -> None:
    images, containers, volumes, cache = usage(store).rows
    assert (images.kind, images.total, images.active) == ("Images", 2, 2)
    assert images.size_bytes == MEBI + 10 + 300 + 5000, "the base counts once"
    assert images.reclaimable_bytes == 0
    assert (containers.kind, containers.total, containers.active) == ("Containers", 3, 1)
    assert containers.size_bytes == MEBI + 7
    assert containers.reclaimable_bytes == 7
    assert (volumes.total, volumes.size_bytes) == (0, 0)
    assert (cache.kind, cache.total, cache.active) == ("Build Cache", 3, 0)
    assert (cache.size_bytes, cache.reclaimable_bytes) == (70_000, 70_000), "what an image has is the image's"


def test_shared_and_unique_add_up(store: Store, example: Example) -> None:
    found = usage(store)
    one, two = image_of(found, example.one), image_of(found, example.two)
    assert (one.size_bytes, one.shared_bytes, one.unique_bytes) == (MEBI + 310, MEBI + 10, 300)
    assert (two.size_bytes, two.shared_bytes, two.unique_bytes) == (MEBI + 5010, MEBI + 10, 5000)
    assert (one.containers, two.containers) == (2, 1)
    assert one.allocated_bytes == example.base.allocated_bytes + example.left.allocated_bytes
    assert (one.repository, one.tag, two.repository, two.tag) == ("one", "latest", "two", "2")
    assert one.created == "2020-01-02T03:04:05Z"


def test_containers_cost_what_they_wrote(store: Store, example: Example) -> None:
    found = usage(store)
    running, stopped = container_of(found, "running"), container_of(found, "stopped")
    assert (running.size_bytes, running.virtual_bytes) == (MEBI, 2 * MEBI + 310)
    assert (stopped.size_bytes, stopped.virtual_bytes) == (7, MEBI + 317)
    assert (running.state, stopped.state) == ("running", "exited")
    assert (running.image, running.command) == ("x", ("sh",))


def test_a_live_upper_is_measured_afresh(store: Store, example: Example, root: Path) -> None:
    Path(example.running.upper, "more").write_bytes(b"m" * 12_345)
    found = usage(store)
    assert container_of(found, "running").size_bytes == MEBI + 12_345
    assert found.total_allocated_bytes == verify(str(root)).total_allocated_bytes


def test_an_exited_container_is_walked_until_it_came_to_rest(root: Path) -> None:
    now = [1000.0]
    with Store.open(Config(root=str(root)), clock=lambda: now[0]) as store:
        box = add_container(store, add_image(store, "image", []), "box", 50)
        store.containers.started(box.id, ProcessId.current())
        store.containers.exited(box.id, 0, measure(box.upper))
        now[0] += 3600
        Path(box.upper, "written").write_bytes(b"w" * 60)
        assert container_of(usage(store), "box").size_bytes == 60
        Path(box.upper, "written").write_bytes(b"w" * 70)
        assert container_of(usage(store), "box").size_bytes == 60, "recorded: walked no more"
        assert store.containers.get(box.id).size_bytes == 60


def test_the_total_is_the_walk_s(store: Store, example: Example, root: Path) -> None:
    found, walked = usage(store), verify(str(root))
    assert found.total_allocated_bytes == walked.total_allocated_bytes
    assert found.metadata_bytes == dict(walked.owners)["metadata"]
    assert {layer.key: layer.allocated_bytes for layer in found.layers} == walked.under("layers")
    assert {box.id: box.allocated_bytes for box in found.containers} == walked.under("containers")
    with store.layers.stage() as stage:
        Path(stage.diff, "half").write_bytes(b"x" * 100_000)
        os.sync()
        found, walked = usage(store), verify(str(root))
        assert found.staging_bytes == sum(walked.under("staging").values()) > 100_000
        assert found.total_allocated_bytes == walked.total_allocated_bytes


def test_a_total_in_a_user_s_store_counts_overlay_s_own_directory(store: Store, root: Path) -> None:
    box = add_container(store, add_image(store, "image", []))
    os.mkdir(f"{box.work}/work", 0o000)
    assert usage(store).total_allocated_bytes == verify(str(root)).total_allocated_bytes


def test_reclaimable_is_a_function_of_the_set(store: Store, example: Example) -> None:
    found = usage(store)
    one, two = ("image", str(example.one.id)), ("image", str(example.two.id))
    boxes = [("container", box.id) for box in (example.running, example.stopped)]
    idle = ("container", example.idle.id)
    steps = [("step", "step right"), ("step", "step cached")]
    uppers = {box.id: box.allocated_bytes for box in found.containers}

    def allocated(*layers: Layer) -> int:
        return sum(layer.allocated_bytes for layer in layers)

    assert found.reclaimable([]) == 0
    assert found.reclaimable([one]) == 0, "its containers stand on it"
    assert found.reclaimable([idle]) == uppers[example.idle.id]
    left = sum(uppers[identity] for _, identity in boxes) + allocated(example.left)
    assert found.reclaimable([one, *boxes]) == left, "the base stays for the other image"
    assert found.reclaimable([two, idle]) == uppers[example.idle.id], "a step keeps the layer"
    everything = [one, two, idle, *boxes, *steps, ("step", "step none")]
    assert found.reclaimable(everything) == sum(uppers.values()) + allocated(
        example.base, example.left, example.right, example.cached
    )
    assert found.reclaimable([("image", "nonsense"), ("container", "nonsense")]) == 0


def test_cache_entries_say_what_they_share(store: Store, example: Example) -> None:
    entries = {entry.key: entry for entry in usage(store).cache}
    assert [entries[key].shared for key in ("step right", "step cached", "step none")] == [True, False, False]
    assert [entries[key].size_bytes for key in ("step right", "step cached", "step none")] == [
        5000,
        70_000,
        0,
    ]


def test_each_layer_has_one_owner(store: Store, example: Example) -> None:
    with store.lease("pull") as lease:
        pulled = add_layer(store, "pulled")
        lease.pin(pulled.key)
        store.images.remove(example.one.id)
        owners = {layer.key: layer.owner for layer in usage(store).layers}
    assert owners == {
        example.base.key: "layer",
        example.left.key: "container",
        example.right.key: "layer",
        example.cached.key: "build cache",
        pulled.key: "staging",
    }


def test_what_a_lease_pins_is_not_reclaimable(store: Store, example: Example) -> None:
    with store.lease("build") as lease:
        lease.pin(example.cached.key)
        found = usage(store)
        assert found.reclaimable([("step", "step cached")]) == 0
        assert found.rows[3].active == 1
    assert usage(store).reclaimable([("step", "step cached")]) == example.cached.allocated_bytes
