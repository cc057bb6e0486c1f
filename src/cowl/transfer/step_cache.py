"""The document of a build cache that travels: which step gives which layer. Pure.

    {"version": 1, "layers": [DIFF_ID, ...],
     "steps": [{"key": HEX, "layer": DIFF_ID or null, "created_us": INT, "text": TEXT}, ...]}

It is the config of an OCI image manifest of its own media type, whose layers are those of "layers" in the
same order; or, inline, a member of an image's config, the layers being the image's ("layers" is left out).
`created_us` is when the step was carried out, in microseconds since the epoch: images tell it.
docs/decisions/0017-travelling-cache.md
"""

from __future__ import annotations

import re

from cowl.errors import Invalid
from cowl.oci.digest import DiffId, InvalidDigest
from cowl.oci.json_object import dumps, parse_object
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from cowl.oci.json_object import JsonObject
    from cowl.store.layers import Layer
    from cowl.store.steps import BuiltStep

MEDIA_TYPE = "application/vnd.cowl.buildcache.v1+json"
INLINE = "cowl.buildcache.v1"
_VERSION = 1
_KEY = re.compile(r"[0-9a-f]{64}")
_TEXT_LIMIT = 200
_LATEST = 1 << 53  # microseconds: the year 2255


class InvalidCache(Invalid):
    """A build cache is malformed."""


class CacheEntry(Value):
    """A step and what it made: `layer` is None when that was nothing. `created_at` in seconds."""

    key: str
    layer: DiffId | None
    created_at: float
    text: str


def exported(steps: Iterable[BuiltStep], *, all_stages: bool) -> tuple[BuiltStep, ...]:
    """The steps that a cache is made of, each once."""
    chosen = {step.key: step for step in steps if all_stages or step.in_image}
    return tuple(chosen.values())


def layers_of(steps: Iterable[BuiltStep]) -> tuple[Layer, ...]:
    """Their layers, each once."""
    return tuple({step.layer.diff_id: step.layer for step in steps if step.layer}.values())


def cache_document(steps: Sequence[BuiltStep]) -> bytes:
    """The config of a cache of its own."""
    layers = [str(layer.diff_id) for layer in layers_of(steps)]
    return dumps({"version": _VERSION, "layers": layers, "steps": list(map(_entry, steps))}).encode()


def with_inline(config: bytes, steps: Sequence[BuiltStep]) -> bytes:
    """An image's config with the cache of `steps` in it, instead of one that was there."""
    import json

    members = json.loads(config)
    members[INLINE] = {"version": _VERSION, "steps": list(map(_entry, steps))}
    return dumps(dict(sorted(members.items()))).encode()


def _entry(step: BuiltStep) -> dict[str, Any]:
    return {
        "key": step.key,
        "layer": str(step.layer.diff_id) if step.layer else None,
        "created_us": round(step.layer.created_at * 1_000_000) if step.layer else 0,
        "text": step.description[:_TEXT_LIMIT],
    }


def read_cache(raw: bytes) -> tuple[tuple[DiffId, ...], tuple[CacheEntry, ...]]:
    """(its layers, its steps) of the config of a cache of its own. Raises InvalidCache."""
    members = parse_object(raw, "build cache", InvalidCache)
    layers = tuple(_diff_id(text) for text in members.strings("layers") or ())
    return layers, _entries(members)


def read_inline(raw: bytes) -> tuple[CacheEntry, ...] | None:
    """The steps of the cache in an image's config; None if there is none. Raises InvalidCache."""
    members = parse_object(raw, "image config", InvalidCache).child(INLINE)
    return None if members is None else _entries(members)


def _entries(members: JsonObject) -> tuple[CacheEntry, ...]:
    if members.integer("version") != _VERSION:
        raise members.wrong("version", f"{_VERSION}, the one that this cowl reads")
    return tuple(map(_read_entry, members.children("steps")))


def _read_entry(members: JsonObject) -> CacheEntry:
    key, created = members.text("key"), members.integer("created_us") or 0
    if not _KEY.fullmatch(key):
        raise members.wrong("key", "64 hex digits")
    if not 0 <= created < _LATEST:
        raise members.wrong("created_us", "microseconds since the epoch")
    layer = members.text("layer")
    text = members.text("text")[:_TEXT_LIMIT]
    return CacheEntry(key, _diff_id(layer) if layer else None, created / 1_000_000, text)


def _diff_id(text: str) -> DiffId:
    try:
        return DiffId.parse(text)
    except InvalidDigest as problem:
        raise InvalidCache(f"build cache: {problem.message}") from problem
