"""Check: what is not as its row says is named."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.unit.store.making import add_container, add_image, add_layer

from cowl.store import Store


def kinds(store: Store) -> list[tuple[str, str]]:
    return sorted((problem.kind, problem.what) for problem in store.check())


def test_a_sound_store_has_no_problems(store: Store) -> None:
    add_container(store, add_image(store, "image", [add_layer(store, "base")]))
    assert store.check() == []


def test_what_is_missing_is_found(store: Store) -> None:
    image = add_image(store, "image", [add_layer(store, "base")])
    box = add_container(store, image)
    shutil.rmtree(store.layers.directory(image.layers[0].key))
    shutil.rmtree(box.directory)
    assert kinds(store) == [
        ("container", "has a row but no directory"),
        ("layer", "has a row but no directory"),
    ]


def test_strangers_are_found(store: Store, root: Path) -> None:
    for place in ("layers/x", "containers/y", "staging/z", "trash/w"):
        (root / place).mkdir()
    assert [kind for kind, _ in kinds(store)] == ["container", "layer", "staging", "trash"]


def test_an_altered_layer_is_found(store: Store) -> None:
    layer = add_image(store, "image", [add_layer(store, "base")]).layers[0]
    with open(f"{store.layers.directory(layer.key)}/diff/file", "ab") as file:
        file.write(b"!")
    assert kinds(store) == [("layer", "size_bytes is 101, recorded was 100")]
