"""A removal that is killed, or interrupted by Ctrl-C, at any of its steps: all of it happened, or nothing."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.store.making import (
    KILLED,
    add_container,
    add_image,
    add_layer,
    die,
    in_child,
    leftovers,
    open_store,
    planning,
    use_cache,
)
from tests.unit.store.sweep import before_step

from cowl.store import Store

INTERRUPTED = 3
PLACES = ("layers", "containers", "caches", "volumes")


def fill(root: Path) -> None:
    """Two images that share a layer, one of which goes with a container, a volume, a step, a cache mount."""
    with open_store(root) as store:
        base = add_layer(store, "base", {"a/b/c": 5000, "d": 10})
        add_image(store, "kept", [base])
        image = add_image(store, "gone", [base, add_layer(store, "top", {"e/f": 5000})])
        add_container(store, image, "box", 5000)
        store.volumes.create("data")
        store.steps.add("step", add_layer(store, "cached", {"g": 5000}).key, "RUN")
        use_cache(store, "pip").close()


def remove(store: Store) -> None:
    planning(store).removal(
        images=["gone"], containers=["box"], volumes=["data"], steps=["step"], cache_mounts=["pip"]
    ).apply()


def count(root: Path) -> tuple[int, ...]:
    return tuple(len(os.listdir(root / place)) for place in PLACES)


def child(root: Path, step: int, act: Callable[[], object], event: str) -> int:
    def work() -> None:
        with open_store(root) as store:
            before_step(step, act, event=event)
            try:
                remove(store)
                sys.setprofile(None)
            except KeyboardInterrupt:
                store.close()
                os._exit(INTERRUPTED)

    return in_child(work)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("act", "event", "status"),
    [(die, "c_call", KILLED), (interrupt, "c_call", INTERRUPTED), (interrupt, "c_return", INTERRUPTED)],
    ids=["killed", "interrupted-before", "interrupted-after"],
)
def test_all_or_nothing(root: Path, act: Callable[[], object], event: str, status: int) -> None:
    outcomes = set()
    fill(root)
    for step in itertools.count(0, 9):
        ended = child(root, step, act, event)
        assert ended in (0, status), f"step {step}"
        with open_store(root) as store:
            assert store.check() == [], f"step {step}"
            assert leftovers(root) == {}, f"step {step}"
            assert count(root) in ((3, 1, 1, 1), (1, 0, 0, 0)), f"step {step}"
            outcomes.add(count(root))
        if ended == 0:
            assert step > 60 and len(outcomes) == 2
            return
        if count(root) == (1, 0, 0, 0):
            fill(root)
