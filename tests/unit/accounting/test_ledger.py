"""The ledger, on rows made by hand: owners, shared inodes, and what goes with what."""

from __future__ import annotations

from collections.abc import Sequence

from cowl.accounting.ledger import Bytes, Ledger
from cowl.oci.digest import DiffId
from cowl.store.layers import Layer
from cowl.store.rows import (
    CacheMountRow,
    ContainerRow,
    FailedStepRow,
    ImageRow,
    Rows,
    SharedInodes,
    SnapshotRow,
    StepRow,
    VolumeRow,
)

BLOCK = 4096


def layer(key: str, blocks: int, created_at: float = 0.0) -> Layer:
    return Layer(key, DiffId(""), "", blocks * 1000, blocks * BLOCK, 1, 0, 0, created_at)


def image(name: str, *keys: str) -> ImageRow:
    return ImageRow(name, keys, (), (), "", 0.0, 0.0)


def snapshot(name: str, *keys: str) -> SnapshotRow:
    return SnapshotRow(name, name, "", "", keys, "", 0.0, 0.0)


def container(name: str, *keys: str) -> ContainerRow:
    return ContainerRow(name, name, "", keys, "exited", 0, "{}", 0.0, 0.0, 0.0, 1, BLOCK, 0, 0.0)


def step(key: str, layer_key: str) -> StepRow:
    return StepRow(key, layer_key, "RUN", 0.0, 0.0)


def frees(ledger: Ledger, *objects: tuple[str, str]) -> int:
    return ledger.frees(frozenset(objects)).allocated_bytes // BLOCK


def sharing(layers: Sequence[Layer], *shared: SharedInodes, images: Sequence[ImageRow] = ()) -> Ledger:
    return Ledger(Rows(tuple(layers), tuple(images), (), (), frozenset(), shared_inodes=shared), {})


def test_a_layer_belongs_to_the_first_that_refers_to_it() -> None:
    every = ("i", "s", "c", "b", "f", "p")
    rows = Rows(
        layers=tuple(layer(key, 1) for key in every),
        images=(image("I", "i"),),
        containers=(container("C", "i", "s", "c"),),
        steps=tuple(step(f"step {key}", key) for key in every[:4]),
        pinned=frozenset("p"),
        failed_steps=(FailedStepRow("F", "x", every[:5], 0.0),),
        snapshots=(snapshot("S", "i", "s"),),
    )
    ledger = Ledger(rows, {})
    assert [ledger.owner(key) for key in every] == [
        "layer",
        "snapshot",
        "container",
        "build cache",
        "build cache",
        "staging",
    ]
    assert [ledger.holder(key) for key in every] == ["image", "snapshot", "container", "step", "failed", ""]


def test_a_layer_goes_with_the_last_that_refers_to_it() -> None:
    rows = Rows(
        layers=(layer("base", 8), layer("top", 2), layer("upper", 1)),
        images=(image("I", "base", "top"),),
        containers=(container("C", "base", "top", "upper"),),
        steps=(step("T", "top"),),
        pinned=frozenset(),
        snapshots=(snapshot("S", "base", "top", "upper"),),
    )
    ledger = Ledger(rows, {("container", "C"): Bytes(5, BLOCK * 4)})
    made, kept, box, cached = ("image", "I"), ("snapshot", "S"), ("container", "C"), ("step", "T")
    assert frees(ledger, made) == frees(ledger, kept) == frees(ledger, cached) == 0
    assert frees(ledger, box) == 4
    assert frees(ledger, box, kept) == 5, "with what was frozen"
    assert frees(ledger, box, kept, made) == 13, "the step keeps its layer"
    assert frees(ledger, box, kept, made, cached) == 15
    pinned = Ledger(rows.replace(pinned=frozenset({"base"})), {})
    assert frees(pinned, box, kept, made, cached) == 3


def test_a_volume_goes_when_nobody_uses_it_and_a_cache_mount_when_no_build_does() -> None:
    volumes = (
        VolumeRow("data", False, "{}", 0.0, 0.0, 0, 0, 0.0, ("C", "D")),
        VolumeRow("idle", True, "{}", 0.0, 0.0, 0, 0, 0.0),
    )
    mounts = tuple(CacheMountRow(name, name, "", 0.0, 0.0, 0, 0, 0.0) for name in ("busy", "free"))
    rows = Rows((), (), (container("C"), container("D")), (), frozenset(), mounts, volumes=volumes)
    own = {("volume", "data"): 32, ("volume", "idle"): 16, ("cache", "busy"): 8, ("cache", "free"): 4}
    own |= {("container", "C"): 2, ("container", "D"): 1}
    ledger = Ledger(
        rows,
        {thing: Bytes(0, blocks * BLOCK) for thing, blocks in own.items()},
        frozenset({("cache", "busy")}),
    )
    assert frees(ledger, ("volume", "data"), ("container", "C")) == 2
    assert frees(ledger, ("volume", "data"), ("container", "C"), ("container", "D")) == 35
    assert frees(ledger, *own) == 63 - 8
    assert frees(ledger, ("volume", "nonsense"), ("image", "nonsense")) == 0


def test_a_shared_inode_belongs_to_the_oldest_and_goes_with_the_last() -> None:
    old, young, youngest = layer("b", 10, 1.0), layer("a", 10, 2.0), layer("c", 10, 2.0)
    three = SharedInodes(("a", "b", "c"), 1, 2000, 2 * BLOCK)
    two = SharedInodes(("a", "c"), 1, 1000, BLOCK)
    images = (image("A", "a"), image("B", "b"), image("C", "c"))
    ledger = sharing((young, old, youngest), three, two, images=images)
    attributed = {key: ledger.attributed(key).allocated_bytes // BLOCK for key in "abc"}
    assert attributed == {"b": 10, "a": 8, "c": 7}
    assert ledger.bytes_of("abc") == Bytes(25_000, 25 * BLOCK), "each inode once"
    assert ledger.bytes_of("ac") == Bytes(17_000, 17 * BLOCK)
    assert ledger.held("image").allocated_bytes == sum(attributed.values()) * BLOCK
    a, b, c = (("image", name) for name in "ABC")
    assert (frees(ledger, a), frees(ledger, b), frees(ledger, c)) == (7, 8, 7)
    assert frees(ledger, a, c) == 15, "more than the sum of the two: what only they share goes too"
    assert frees(ledger, a, b, c) == 25


def test_what_a_removal_frees_is_what_the_rest_takes_less() -> None:
    """For every set of images, against the inodes themselves."""
    inodes = {1: "abc", 2: "ab", 3: "c", 4: "bc", 5: "a", 6: "abcd", 7: "d"}
    layers = [layer(key, sum(key in names for names in inodes.values()), ord(key)) for key in "abcd"]
    shared = [SharedInodes(tuple(names), 1, 1000, BLOCK) for names in inodes.values() if len(names) > 1]
    images = [image(key, key) for key in "abcd"]
    ledger = sharing(layers, *shared, images=images)
    for number in range(16):
        gone = {key for index, key in enumerate("abcd") if number >> index & 1}
        expected = sum(set(names) <= gone for names in inodes.values())
        assert frees(ledger, *(("image", key) for key in gone)) == expected
        assert ledger.bytes_of(gone).size_bytes == 1000 * sum(
            bool(set(names) & gone) for names in inodes.values()
        )
