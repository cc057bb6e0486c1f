"""Applying a plan and checking that what it said, what it measured and what a walk finds are the same."""

from __future__ import annotations

import os

from cowl.accounting.removal import RemovalPlan
from cowl.accounting.walk import verify
from cowl.store import Store
from cowl.store.apply import Receipt


def content_bytes(store: Store) -> int:
    """What lies in layers, containers, cache mounts and volumes, by a walk."""
    os.sync()
    walked = verify(store.root)
    return sum(sum(walked.under(place).values()) for place in ("layers", "containers", "caches", "volumes"))


def applied(store: Store, plan: RemovalPlan) -> Receipt:
    """The receipt."""
    before = content_bytes(store)
    receipt = plan.apply()
    assert receipt.freed_bytes == plan.frees == before - content_bytes(store)
    assert receipt.removed == tuple((each.kind, each.id) for each in plan.objects)
    assert store.check() == []
    return receipt
