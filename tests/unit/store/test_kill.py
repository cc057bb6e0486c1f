"""SIGKILL between any two steps of the store's work: the next open finds nothing left over."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import pytest
from tests.unit.store.making import add_image, add_layer, in_child, leftovers, open_store, remove_image
from tests.unit.store.sweep import before_step, killed_at, scenario, work

from cowl.store import Store


def clear(store: Store) -> None:
    """Removes everything: an empty store again."""
    for box in store.containers.list():
        store.containers.remove(box.id)
    for image in store.images.list():
        remove_image(store, image.id, force=True)
    store.steps.prune()
    assert store.layers.list() == ()


def sweep(root: Path, stride: int) -> int:
    """Kills the scenario at every stride-th step, on one store; gives how often it was killed."""
    for step in itertools.count(0, stride):
        if not killed_at(step, lambda: scenario(root)):
            return step // stride
        with open_store(root) as store:
            assert store.check() == [], f"killed at step {step}"
            assert leftovers(root) == {}, f"killed at step {step}"
            clear(store)
            assert os.listdir(root / "layers") == os.listdir(root / "containers") == []
    raise AssertionError


def interrupt() -> None:
    raise KeyboardInterrupt


def interrupted_at(root: Path, step: int, event: str) -> bool:
    """Ctrl-C at a step, in a child that goes on with the same open store; False if it ended before."""
    interrupted = 3

    def child() -> None:
        with open_store(root) as store:
            before_step(step, interrupt, event=event)
            try:
                work(store)
                sys.setprofile(None)
            except KeyboardInterrupt:
                add_image(store, "after", [add_layer(store, "after")])
                remove_image(store, "after")
                store.close()
                os._exit(interrupted)

    status = in_child(child)
    assert status in (0, interrupted), f"interrupted at step {step}"
    return status == interrupted


@pytest.mark.parametrize("event", ["c_call", "c_return"])
def test_interrupted_at_some_steps(root: Path, event: str) -> None:
    for step in itertools.count(0, 11):
        if not interrupted_at(root, step, event):
            assert step > 100
            return
        with open_store(root) as store:
            assert store.check() == [], f"interrupted at step {step}"
            assert leftovers(root) == {}, f"interrupted at step {step}"
            clear(store)
    raise AssertionError


def test_killed_at_some_steps(root: Path) -> None:
    assert sweep(root, 17) > 10


def test_killed_while_the_store_is_made(tmp_path: Path) -> None:
    for step in itertools.count():
        root = tmp_path / str(step)
        ended = not killed_at(step, lambda: open_store(root).close())  # noqa: B023  # it runs at once
        with open_store(root) as store:
            assert store.check() == [], f"killed at step {step}"
            assert leftovers(root) == {}, f"killed at step {step}"
        if ended:
            assert step > 15
            return


@pytest.mark.faults
def test_killed_at_every_step(root: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--faults") != "long":
        pytest.skip("takes a minute: run with --faults long")
    assert sweep(root, 1) > 170
