"""A fixed piece of work that is killed at every one of its steps, one after another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.unit.store.making import (
    KILLED,
    add_container,
    add_image,
    add_layer,
    die,
    in_child,
    open_store,
    remove_image,
)

from cowl.linux.process import ProcessId
from cowl.store import Store

STEPS = frozenset(
    {
        "execute", "rename", "mkdir", "makedirs", "rmdir", "unlink", "fsync", "flock", "open", "close",
        "link", "chmod", "utime", "stat", "truncate", "posix_fallocate", "write",
    }
)  # fmt: skip


def scenario(root: Path) -> None:
    """Opens a store, works in it, closes it."""
    with open_store(root) as store:
        work(store)


def work(store: Store) -> None:
    """Everything that a store does, with work left half-made in between."""
    with store.lease("build") as lease:
        base = add_layer(store, "base")
        lease.pin(base.key)
        top = add_layer(store, "top", {"a/b": 5000})
        image = add_image(store, "app", [base, top])
    store.steps.add("step", add_layer(store, "cached").key, "RUN")
    box = store.containers.create("box", image.id, image.layer_keys, {}, auto_remove=True)
    store.containers.started(box.id, ProcessId.current().replace(pid=2**22 - 1))
    store.containers.remove(box.id)
    kept = add_container(store, image, "kept", 100)
    store.containers.started(kept.id, ProcessId.current().replace(pid=2**22 - 1))
    store.containers.exited(kept.id, 0)
    store.containers.remove(kept.id)
    remove_image(store, "app")
    store.steps.prune()


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Runs `work` in a child that dies just before its step-th call of one of STEPS; False if it ended."""

    def child() -> None:
        before_step(step, die)
        work()
        sys.setprofile(None)

    return in_child(child) == KILLED


def before_step(step: int, act: Callable[[], object], *, event: str = "c_call") -> None:
    """Has `act` run, once, just before (with "c_return" after) the step-th call of one of STEPS."""
    left = step

    def watch(_frame: FrameType, now: str, call: Any) -> None:
        nonlocal left
        if now == event and getattr(call, "__name__", "") in STEPS:
            left -= 1
            if left < 0:
                sys.setprofile(None)
                act()

    sys.setprofile(watch)
