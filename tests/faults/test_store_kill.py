"""Processes that work in one store and are killed at random: the next open finds a sound store."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from pathlib import Path

import pytest
from tests.unit.store.making import KILLED, add_image, add_layer, leftovers, open_store, remove_image

from cowl.errors import Conflict, NotFound
from cowl.linux.process import ProcessId
from cowl.store import Store

NOBODY = 2**22 - 1


def work_for_ever(root: Path, seed: int) -> None:
    """Stages, publishes, tags, creates, removes, opens and closes, in an order of its own."""
    dice = random.Random(seed)
    while True:
        with open_store(root) as store:
            for _ in range(dice.randrange(1, 6)):
                try:
                    dice.choice((build, run, remove_some, prune, pull))(store, dice)
                except (NotFound, Conflict):
                    continue  # another process was faster


def build(store: Store, dice: random.Random) -> None:
    with store.lease("build") as lease:
        layers = []
        for _ in range(dice.randrange(1, 4)):
            name = f"layer{dice.randrange(12)}"
            layers.append(add_layer(store, name, {f"dir/{name}": dice.randrange(50_000), "b": 10}))
            lease.pin(layers[-1].key)
            store.steps.add(f"step {name}", layers[-1].key, "RUN")
        add_image(store, f"image{dice.randrange(6)}", layers)


def pull(store: Store, dice: random.Random) -> None:
    with store.layers.stage() as stage:
        for number in range(dice.randrange(20)):
            Path(stage.diff, str(number)).write_bytes(b"x" * 4096)
    layer = add_layer(store, f"layer{dice.randrange(12)}")
    store.images.add(b"{%d}" % dice.randrange(9), [layer.key])


def run(store: Store, dice: random.Random) -> None:
    images = store.images.list()
    if not images:
        return
    image = dice.choice(images)
    box = store.containers.create("", image.id, image.layer_keys, {}, auto_remove=dice.random() < 0.5)
    Path(box.upper, "written").write_bytes(b"w" * dice.randrange(30_000))
    store.containers.started(box.id, ProcessId.current().replace(pid=NOBODY))
    if not box.auto_remove:
        store.containers.exited(box.id, 0, store.measure_upper(box))
    if box.auto_remove or dice.random() < 0.7:
        store.containers.remove(box.id)


def remove_some(store: Store, dice: random.Random) -> None:
    for image in store.images.list():
        if dice.random() < 0.5:
            remove_image(store, image.id, force=True)


def prune(store: Store, _dice: random.Random) -> None:
    store.steps.prune()


def start(root: Path, seed: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work_for_ever(root, seed)
        finally:
            os._exit(1)
    return pid


def kill_and_look(root: Path, seed: int, workers: int) -> None:
    """Lets some processes work, kills them at a random moment, and looks at what the next open finds."""
    dice = random.Random(seed)
    pids = [start(root, seed * 100 + number) for number in range(workers)]
    time.sleep(dice.uniform(0.02, 0.25))
    for pid in pids:
        os.kill(pid, 9)
    ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert ends == [KILLED] * workers, "a worker failed before it was killed"
    with open_store(root) as store:
        assert store.check() == [], f"seed {seed}"
        assert leftovers(root) == {}, f"seed {seed}"
        assert not [box for box in store.containers.list() if box.auto_remove or box.state == "running"]
    database = sqlite3.connect(root / "cowl.db")
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_few_kills(tmp_path: Path, workers: int) -> None:
    for seed in range(4):
        kill_and_look(tmp_path / "store", seed, workers)


@pytest.mark.faults
@pytest.mark.parametrize("workers", [1, 3])
def test_fifty_kills(tmp_path: Path, workers: int, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--faults") != "long":
        pytest.skip("takes half a minute: run with --faults long")
    for seed in range(50):
        kill_and_look(tmp_path / "store", seed, workers)
