"""Layouts: an image of the store as an OCI image layout, each layer's tar as it once was, as gzip.

OCI image-spec 1.1, image-layout.md.
"""

from __future__ import annotations

import os
from hashlib import sha256

from cowl.errors import Conflict, Corrupt
from cowl.layer.compression import GZIP, CompressedWriter
from cowl.layer.ownership import for_euid
from cowl.layer.recipe import assemble
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import Digest
from cowl.oci.image_config import ImageConfig
from cowl.oci.json_object import dumps
from cowl.oci.manifest import Index, Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.store import Store

REF_NAME = "org.opencontainers.image.ref.name"
_PART = ".part"


class LayoutExists(Conflict):
    """There is something at the place where a layout is to be made. Field: directory."""

    def __init__(self, directory: str) -> None:
        super().__init__(f"{directory} exists and is not empty", hint="name a new directory")
        self.directory = directory


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


def write_layout(store: Store, image: ImageRecord, directory: str, *, reference: str = "") -> Manifest:
    """Write `image` as an OCI image layout into `directory`, which must not exist or be empty.

    `reference` becomes its name in index.json (`oci:directory:reference` for skopeo and umoci). Gives
    the manifest. Deterministic. Every layer's diff_id is checked. Raises LayoutExists, LayerChanged
    and OSError; a failure leaves what was written.
    """
    os.makedirs(directory, exist_ok=True)
    if os.listdir(directory):
        raise LayoutExists(directory)
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs)
    packed: dict[str, Descriptor] = {}
    for layer in image.layers:
        if layer.key not in packed:
            packed[layer.key] = _write_layer(store, layer, blobs)
    config = _write(blobs, image.config_bytes, media_types.OCI_CONFIG)
    manifest = Manifest.make(config, [packed[layer.key] for layer in image.layers])
    entry = _write(blobs, manifest.raw, manifest.media_type).replace(
        platform=ImageConfig.parse(image.config_bytes).platform,
        annotations=((REF_NAME, reference),) if reference else (),
    )
    _write_file(os.path.join(directory, "oci-layout"), dumps({"imageLayoutVersion": "1.0.0"}).encode())
    _write_file(os.path.join(directory, "index.json"), Index.make([entry]).raw)
    return manifest


def _write_layer(store: Store, layer: Layer, blobs: str) -> Descriptor:
    """The layer as a gzip blob under its digest, hashed as it is written."""
    part = os.path.join(blobs, f"{layer.key}{_PART}")
    digest = sha256()
    size = 0
    with open(part, "xb") as file:

        def write(data: bytes) -> None:
            nonlocal size
            digest.update(data)
            size += len(data)
            file.write(data)

        packed = CompressedWriter(write, GZIP)
        tar = assemble(store.layers.directory(layer.key), packed.write, for_euid(os.geteuid()))
        packed.close()
    if tar.diff_id != layer.diff_id:
        raise LayerChanged(layer.key, layer.diff_id, tar.diff_id)
    name = Digest.of_hash(digest.hexdigest())
    os.rename(part, os.path.join(blobs, name.hex))
    return Descriptor(media_types.OCI_LAYER_GZIP, name, size)


def _write(blobs: str, data: bytes, media_type: str) -> Descriptor:
    digest = Digest.of(data)
    _write_file(os.path.join(blobs, digest.hex), data)
    return Descriptor(media_type, digest, len(data))


def _write_file(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
