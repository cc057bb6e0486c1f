"""Verification: the ledger beside the walk, on stores that are as they say and on stores that are not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.store.making import add_container, add_image, add_layer, open_store, use_cache

from cowl.accounting.usage import usage
from cowl.accounting.verification import Difference, verification
from cowl.linux.files import syncfs
from cowl.store.containers import ContainerRecord
from cowl.store.layers import Layer


class Scene:
    """A store with something of every owner."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = open_store(root)
        self.base = add_layer(self.store, "base", {"same": 50_000, "a": 10})
        self.young = add_layer(self.store, "young", {"b": 5000})
        self.link(self.base, self.young)
        image = add_image(self.store, "image", [self.base, self.young])
        self.store.steps.add("step", add_layer(self.store, "step").key, "RUN make")
        self.box: ContainerRecord = add_container(self.store, image, "box", 3000)
        os.mkdir(f"{self.box.directory}/log")
        Path(self.box.directory, "log", "json.log").write_bytes(b"l" * 9000)
        self.store.volumes.create("data")
        Path(self.store.directory.volume_data("data"), "kept").write_bytes(b"v" * 6000)
        Path(self.store.directory.blobs, "blob").write_bytes(b"b" * 7000)
        with use_cache(self.store, "cache") as cache:
            Path(cache.path, "kept").write_bytes(b"c" * 8000)
        self.sync()
        self.store.close()
        self.store = open_store(root)

    def sync(self) -> None:
        """Before that, file systems have not allocated everything."""
        fd = os.open(self.root, os.O_RDONLY)
        try:
            syncfs(fd)
        finally:
            os.close(fd)

    def link(self, old: Layer, young: Layer) -> None:
        """As a dedupe leaves it: one inode with a name in each, and the row that says so."""
        source = f"{self.store.layers.directory(old.key)}/diff/same"
        os.link(source, f"{self.store.layers.directory(young.key)}/diff/same")
        size = os.stat(source).st_blocks * 512
        with self.store._database.write() as transaction:
            transaction.run("INSERT INTO shared_inodes VALUES (1, 1, 50000, ?, 0)", (size,))
            for layer in (old, young):
                transaction.run("INSERT INTO shared_inode_layers VALUES (1, ?)", (layer.key,))
            transaction.run(
                "UPDATE layers SET files = files + 1, size_bytes = size_bytes + 50000,"
                " allocated_bytes = allocated_bytes + ? WHERE key = ?",
                (size, young.key),
            )

    def differences(self) -> list[tuple[str, str, int]]:
        found = verification(self.store).differences
        return [(each.kind, each.name, each.found_bytes - each.recorded_bytes) for each in found]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "store")
    yield made
    made.store.close()


def test_a_sound_store_matches_by_owner_and_in_total(scene: Scene) -> None:
    found = verification(scene.store)
    assert found.differences == ()
    owners = {each.owner: each.recorded_bytes for each in found.owners}
    assert {each.owner: each.found_bytes for each in found.owners} == owners
    assert found.recorded_bytes == found.found_bytes == sum(owners.values())
    assert owners["snapshot"] == owners["staging"] == 0
    assert all(owners[name] > 0 for name in owners if name not in ("snapshot", "staging"))
    assert owners["log"] > 9000
    assert owners["blob"] == 8192
    assert scene.store.check() == []


def test_the_shared_inode_is_the_oldest_layer_s(scene: Scene) -> None:
    layers = {layer.key: layer for layer in usage(scene.store).layers}
    base, young = layers[scene.base.key], layers[scene.young.key]
    assert base.attributed_bytes == base.allocated_bytes
    assert (
        young.allocated_bytes - young.attributed_bytes
        == os.stat(f"{scene.store.layers.directory(scene.base.key)}/diff/same").st_blocks * 512
    )


def test_altered_objects_are_named(scene: Scene) -> None:
    with open(f"{scene.store.layers.directory(scene.young.key)}/diff/b", "ab") as file:
        file.write(b"!" * 4096)
    scene.sync()
    assert scene.differences() == [("layer", scene.young.key, 4096)]
    found = verification(scene.store)
    assert found.found_bytes - found.recorded_bytes == 4096
    assert [each.owner for each in found.owners if each.found_bytes != each.recorded_bytes] == ["layer"]


def test_missing_directories_count_as_nothing_and_are_named(scene: Scene) -> None:
    shutil.rmtree(scene.store.layers.directory(scene.young.key))
    shutil.rmtree(scene.box.directory)
    shutil.rmtree(scene.store.directory.volume("data"))
    found = usage(scene.store)
    assert [(each.kind, each.text, each.remedy) for each in found.missing] == [
        (
            "layer",
            f"the directory of layer {scene.young.key[:12]} is gone",
            "Remove what stands on it, then pull or build that again:"
            " image docker.io/library/image:latest, container box.",
        ),
        ("container", "the directory of container box is gone", "Remove it: cowl rm box"),
        ("volume", "the directory of volume data is gone", "Remove it: cowl volume rm data"),
    ]
    assert found.owners["volume"] == found.owners["log"] == found.owners["container"] == 0
    checked = verification(scene.store)
    assert checked.recorded_bytes == checked.found_bytes
    assert [each.kind for each in checked.differences] == ["layer", "container", "volume"]
    assert all(each.what == "has a row but no directory" for each in checked.differences)


def test_strangers_and_what_nobody_recorded_are_named(scene: Scene) -> None:
    stranger = Path(scene.root, "layers", "stranger")
    stranger.mkdir()
    (stranger / "file").write_bytes(b"x" * 4096)
    os.link(
        f"{scene.store.layers.directory(scene.base.key)}/diff/a",
        f"{scene.store.directory.volume_data('data')}/a",
    )
    scene.sync()
    found = verification(scene.store)
    assert found.recorded_bytes - found.found_bytes == 4096, "the volume counts an inode that is a layer's"
    assert [(each.kind, each.what) for each in found.differences] == [
        ("layer", "has a directory but no row"),
        ("shared inodes", "are not those recorded"),
    ]
    assert {each.owner: each.found_bytes for each in found.owners}["staging"] == 8192


def test_a_live_store_is_looked_at_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written between the two looks is no difference."""
    from cowl.accounting import verification as module

    looks: list[str] = []
    walk = getattr(module, "verify")  # noqa: B009  # which mypy takes for private

    def slow(root: str) -> object:
        if not looks:
            Path(scene.box.upper, "meanwhile").write_bytes(b"x" * 4096)
            scene.sync()
        looks.append(root)
        return walk(root)

    monkeypatch.setattr(module, "verify", slow)
    assert verification(scene.store).differences == ()
    assert len(looks) == 2


def test_a_difference_is_a_value() -> None:
    assert Difference("layer", "x", 1, 2, "y") == Difference("layer", "x", 1, 2, "y")
