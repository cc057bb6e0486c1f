"""The store that the scale benchmark generates is one that cowl could have made: nothing is wrong with it."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from benchmarks.generator import generate
from benchmarks.population import populate
from tests.caller import Caller

from cowl.accounting.usage import usage
from cowl.accounting.walk import verify
from cowl.config import Config
from cowl.layer.ownership import RealOwners
from cowl.layer.pack import pack
from cowl.store import Store

IMAGES, LAYERS, CONTAINERS = 60, 180, 50


@pytest.fixture
def full(root_caller: Caller) -> Caller:
    generate(str(root_caller.store), populate(IMAGES, LAYERS, CONTAINERS))
    return root_caller


def test_nothing_is_wrong_with_it(full: Caller) -> None:
    with Store.open(Config(root=str(full.store))) as store:
        assert store.check() == []
        os.sync()  # the database was written just now: it may take another block when that comes to the disk
        assert usage(store).total_allocated_bytes == verify(str(full.store)).total_allocated_bytes
        for layer in store.layers.list():
            packed = pack(f"{store.layers.directory(layer.key)}/diff", None, owners=RealOwners())
            assert layer.diff_id in ("", packed.diff_id), "a snapshot has none yet"


def test_it_holds_what_was_asked_for_and_shares_as_in_life(full: Caller) -> None:
    with Store.open(Config(root=str(full.store))) as store:
        rows = store.rows()
        assert (len(rows.images), len(rows.containers)) == (IMAGES, CONTAINERS)
        assert len(rows.layers) == LAYERS + len(rows.snapshots)
        assert len(rows.snapshots) == 1
        assert len(rows.volumes) == 3
        users = Counter(key for image in rows.images for key in image.layer_keys)
        assert max(users.values()) == IMAGES, "one base at this size"
        assert sum(count == 1 for count in users.values()) > LAYERS / 2, "most layers are one image's own"
    assert len(full.text("ps", "-aq").split()) == CONTAINERS
    listed = [json.loads(line) for line in full.text("images", "--format", "json").splitlines()]
    assert len({row["ID"] for row in listed}) == IMAGES
    assert any(row["Repository"] == "<none>" for row in listed)


def test_the_same_numbers_make_the_same_images(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        generate(str(tmp_path / name), populate(20, 60, 5), now=1.7e9)
        with Store.open(Config(root=str(tmp_path / name))) as store:
            found.append({image.id for image in store.images.list()})
    assert found[0] == found[1]
