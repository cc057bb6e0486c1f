"""The document of a travelling cache: what is written is read, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.errors import CowlError
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import DiffId, Digest
from cowl.oci.image_config import ImageConfig
from cowl.oci.manifest import Manifest
from cowl.store.layers import Layer
from cowl.store.steps import BuiltStep
from cowl.transfer.cache_import import content_of
from cowl.transfer.step_cache import (
    INLINE,
    MEDIA_TYPE,
    CacheEntry,
    InvalidCache,
    cache_document,
    exported,
    layers_of,
    read_cache,
    read_inline,
    with_inline,
)

MADE = 1_700_000_000.123456


def step(key: str, layer: str = "", *, in_image: bool = True) -> BuiltStep:
    made = Layer(layer * 64, DiffId.of(layer.encode()), "", 1, 1, 1, 0, 1, MADE) if layer else None
    return BuiltStep(key * 64, made, f"RUN {key}" + "x" * 500, in_image)


STEPS = (step("a", "1"), step("b"), step("c", "1"), step("d", "2", in_image=False), step("a", "1"))


def test_what_is_written_is_read() -> None:
    chosen = exported(STEPS, all_stages=True)
    layers, entries = read_cache(cache_document(chosen))
    assert layers == tuple(DiffId.of(name) for name in (b"1", b"2"))
    assert [entry.key[0] for entry in entries] == ["a", "b", "c", "d"]
    assert entries[0] == CacheEntry("a" * 64, DiffId.of(b"1"), MADE, ("RUN a" + "x" * 500)[:200])
    assert entries[1].layer is None
    assert [entry.key[0] for entry in exported(STEPS, all_stages=False)] == ["a", "b", "c"]
    assert [layer.diff_id for layer in layers_of(STEPS)] == list(layers)


def test_inline_is_a_member_that_readers_of_images_pass_over() -> None:
    raw = ImageConfig("amd64", diff_ids=(DiffId.of(b"1"),)).serialize()
    assert read_inline(raw) is None
    inline = with_inline(raw, exported(STEPS, all_stages=False))
    assert ImageConfig.parse(inline) == ImageConfig.parse(raw)
    entries = read_inline(inline)
    assert entries is not None
    assert [entry.key[0] for entry in entries] == ["a", "b", "c"]
    assert with_inline(inline, ()) == with_inline(raw, ())
    assert list(json.loads(inline)) == sorted(json.loads(inline))


GOOD: dict[str, Any] = {"key": "a" * 64, "layer": str(DiffId.of(b"1")), "created_us": 5, "text": "RUN"}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        {"version": 2, "steps": [GOOD]},
        {"version": 1, "steps": [{**GOOD, "key": "../x"}]},
        {"version": 1, "steps": [{**GOOD, "key": "A" * 64}]},
        {"version": 1, "steps": [{**GOOD, "layer": "sha256:../../x"}]},
        {"version": 1, "steps": [{**GOOD, "created_us": -1}]},
        {"version": 1, "steps": [{**GOOD, "created_us": 1 << 60}]},
        {"version": 1, "steps": [{**GOOD, "created_us": 1.5}]},
        {"version": 1, "steps": "x"},
        {"version": 1, "layers": ["sha512:" + "0" * 128], "steps": []},
    ],
)
def test_malformed_documents(document: Any) -> None:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(InvalidCache):
        read_cache(raw)


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_comes_is_an_error_with_a_name(document: bytes | str) -> None:
    raw = document if isinstance(document, bytes) else document.encode()
    for read in (read_cache, read_inline):
        with pytest.raises(CowlError):
            read(raw)


def test_layers_and_blobs_must_pair_up() -> None:
    raw = cache_document(STEPS)
    blob = Descriptor(media_types.OCI_LAYER_GZIP, Digest.of(b"blob"), 4)
    config = Descriptor(MEDIA_TYPE, Digest.of(raw), len(raw))
    content = content_of(Manifest.make(config, [blob, blob]), lambda: raw)
    assert content.blobs.keys() == {DiffId.of(b"1"), DiffId.of(b"2")}
    with pytest.raises(InvalidCache, match="it names 2 layers, its manifest 1"):
        content_of(Manifest.make(config, [blob]), lambda: raw)
    image = ImageConfig("amd64").serialize()
    plain = Descriptor(media_types.OCI_CONFIG, Digest.of(image), len(image))
    with pytest.raises(InvalidCache, match="without a build cache"):
        content_of(Manifest.make(plain, []), lambda: image)
    assert INLINE not in image.decode()
