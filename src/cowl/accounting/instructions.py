"""Instructions: which one made a layer, as images and cached steps tell it, and on which line."""

from __future__ import annotations

import json

from cowl.oci.created_by import parse_created_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cowl.store.built_images import BuiltImage
    from cowl.store.rows import Rows


def instructions(rows: Rows, configs: Mapping[str, bytes]) -> dict[str, str]:
    """By layer: as the history of the newest image says it, else what the cached step is described by.

    `configs` are those of the images, by ID. What a container wrote says so; what nobody knows is left out.
    """
    found = {step.layer_key: step.description for step in rows.steps if step.layer_key}
    for image in reversed(rows.images):
        told = _told(configs.get(image.id, b""))
        if len(told) == len(image.layer_keys):
            found.update((key, text) for key, text in zip(image.layer_keys, told, strict=True) if text)
    texts = {key: parse_created_by(text).text for key, text in found.items()}
    for snapshot in rows.snapshots:
        name = snapshot.name or snapshot.id[:12]
        for key in snapshot.layer_keys[-1:]:
            texts.setdefault(key, f"snapshot {name} of a container")
    return texts


def line_numbers(rows: Rows, builds: Mapping[str, BuiltImage]) -> dict[str, int]:
    """By layer: the line of the Dockerfile that the newest image was last built from, where it is known."""
    found: dict[str, int] = {}
    for image in reversed(rows.images):
        built = builds.get(image.id)
        for position, key in enumerate(image.layer_keys if built else ()):
            line = built.line(position) if built else 0
            if line:
                found[key] = line
    return found


def _told(config: bytes) -> list[str]:
    """The created_by of an image's layers, bottom first; empty where the config's history is none."""
    try:
        history = json.loads(config)["history"]
        return [str(entry.get("created_by", "")) for entry in history if not entry.get("empty_layer")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
