"""Explanations add up, on random stacks of layers in a store, against a walk of the merged view."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from hypothesis import given, settings
from tests.unit.layer.test_stacked import LAYERS, make, merged_bytes
from tests.unit.store.making import open_store

from cowl.accounting.explain import explain
from cowl.accounting.explanation import SHADOWED, Explanation, PathBytes
from cowl.accounting.subjects import IMAGE, find_subject
from cowl.oci.digest import DiffId

KEYWORDS = ("RUN x", "COPY a b", "/bin/sh -c #(nop) ADD file:1 in /", "WORKDIR /x", "")


def check(told: Explanation) -> None:
    """Parts are never negative and give wholes."""
    assert told.visible_bytes + told.shadowed_bytes == told.size_bytes
    assert sum(layer.size_bytes for layer in told.layers) == told.size_bytes
    assert sum(layer.shadowed_bytes for layer in told.layers) == told.shadowed_bytes
    assert sum(layer.hides_bytes for layer in told.layers) == told.shadowed_bytes
    assert 0 <= told.efficiency <= 1
    assert min(told.visible_bytes, told.shadowed_bytes, told.duplicate_bytes) >= 0
    for layer in told.layers:
        assert 0 <= layer.shadowed_bytes <= layer.size_bytes
        assert 0 <= layer.squash_saves_bytes <= told.shadowed_bytes
    wasted = sum(each.wasted_bytes for each in told.waste if each.kind in SHADOWED)
    assert wasted == told.shadowed_bytes
    assert all(each.by == 0 or each.layer <= each.by for each in told.waste)
    assert told.tree.size_bytes == told.visible_bytes
    check_tree(told.tree)


def check_tree(row: PathBytes) -> None:
    if row.children or row.left_out:
        assert sum(child.size_bytes for child in row.children) + row.left_out_bytes == row.size_bytes
        for child in row.children:
            check_tree(child)


@given(LAYERS)
@settings(max_examples=25, deadline=None)
def test_it_adds_up(layers: list[list[tuple[str, tuple[str, int | bool]]]]) -> None:
    root = Path("/tmp") / f"cowl-adds-up-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with open_store(root) as store:
            keys = []
            for number, nodes in enumerate(layers):
                with store.layers.stage() as stage:
                    make(Path(stage.diff), nodes)
                    text = json.dumps([number, nodes])
                    keys.append(store.layers.commit(stage, DiffId.of(text.encode()), 1024).key)
            image = store.images.add(b"{}", keys, references=["x"])
            told_by = [KEYWORDS[number % len(KEYWORDS)] for number in range(len(keys))]
            subject = find_subject(store, "x", lambda _record: told_by, (IMAGE,))
            for top in (0, 1):
                told = explain(store, subject, depth=0, top=top)
                check(told)
            trees = [store.directory.diff(key) for key in keys]
            assert told.visible_bytes == merged_bytes(trees)
            assert told.size_bytes == sum(layer.size_bytes for layer in image.layers)
            assert told.altered_layers == ()
    finally:
        shutil.rmtree(root)
