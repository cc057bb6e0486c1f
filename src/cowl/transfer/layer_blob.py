"""Layer blobs: a layer of the store as the bytes that a registry or an archive holds.

The tar is rebuilt from the layer's directory and its recipe, bit for bit, while it streams out. The
same layer in the same form always gives the same blob (see `CompressedWriter`).
"""

from __future__ import annotations

import os
from hashlib import sha256

from cowl import outputs
from cowl.errors import Corrupt, Invalid
from cowl.layer import compression
from cowl.layer.compression import CompressedWriter
from cowl.layer.ownership import for_euid
from cowl.layer.recipe import assemble
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from cowl.outputs import BlobForm
    from cowl.store.blobs import KnownBlob
    from cowl.store.layers import Layer
    from cowl.store.store import Store

    Write: TypeAlias = "Callable[[bytes], object]"

_HIGHEST = {outputs.GZIP: 9, outputs.ZSTD: 22, outputs.UNCOMPRESSED: 0}
_NAMES = {
    outputs.GZIP: compression.GZIP,
    outputs.ZSTD: compression.ZSTD,
    outputs.UNCOMPRESSED: compression.UNCOMPRESSED,
}
_SUFFIXES = {
    outputs.GZIP: (media_types.OCI_LAYER_GZIP, media_types.DOCKER_LAYER_GZIP),
    outputs.ZSTD: (media_types.OCI_LAYER_ZSTD, media_types.DOCKER_LAYER_ZSTD),
    outputs.UNCOMPRESSED: (media_types.OCI_LAYER, media_types.DOCKER_LAYER),
}


class InvalidForm(Invalid):
    """Layers can't be compressed like that. Field: form."""

    def __init__(self, form: BlobForm, why: str, hint: str = "") -> None:
        super().__init__(why, hint=hint)
        self.form = form


class LayerChanged(Corrupt):
    """A layer of the store no longer gives the tar of its diff_id. Fields: key, expected, actual."""

    def __init__(self, key: str, expected: str, actual: str) -> None:
        super().__init__(
            f"layer {key[:12]} of the store has changed: it gives {actual}, not {expected}",
            hint="`cowl system check` lists what else is damaged",
        )
        self.key = key
        self.expected = expected
        self.actual = actual


def check_form(form: BlobForm) -> None:
    """Raises InvalidForm for a compression or level that there is not."""
    if form.compression not in _HIGHEST:
        raise InvalidForm(
            form,
            f"compression {form.compression!r} is not supported",
            "There are gzip, zstd and uncompressed.",
        )
    highest = _HIGHEST[form.compression]
    if form.level is not None and not 0 <= form.level <= highest:
        raise InvalidForm(
            form, f"compression level {form.level} of {form.compression}: it goes from 0 to {highest}"
        )


def media_type(form: BlobForm) -> str:
    """What a manifest calls a layer in this form."""
    return _SUFFIXES[form.compression][0 if form.oci_types else 1]


def as_form(known: KnownBlob, form: BlobForm, *, exact: bool) -> Descriptor | None:
    """The descriptor of a blob that is on record, with media types of the form's family.

    None when it is compressed otherwise and that matters (`exact`).
    """
    packed = media_types.layer_compression(known.media_type)
    name = next((each for each, packed_as in _NAMES.items() if packed_as == packed), None)
    if name is None or (exact and name != form.compression):
        return None
    kind = media_type(form.replace(compression=name))
    return Descriptor(kind, Digest(known.digest), known.size_bytes)


def rebuild(store: Store, layer: Layer, write: Write) -> None:
    """Gives the layer's uncompressed tar to `write`. Raises LayerChanged, BadRecipe, OSError."""
    tar = assemble(store.layers.directory(layer.key), write, for_euid(os.geteuid()))
    if tar.diff_id != layer.diff_id:
        raise LayerChanged(layer.key, layer.diff_id, tar.diff_id)


def write_blob(store: Store, layer: Layer, write: Write, form: BlobForm) -> Descriptor:
    """Gives the layer's blob to `write`, and its descriptor when it is whole. Raises as `rebuild`."""
    digest = sha256()
    size = 0

    def count(data: bytes) -> None:
        nonlocal size
        digest.update(data)
        size += len(data)
        write(data)

    packed = CompressedWriter(count, _NAMES[form.compression], form.level)
    rebuild(store, layer, packed.write)
    packed.close()
    return Descriptor(media_type(form), Digest.of_hash(digest.hexdigest()), size)
