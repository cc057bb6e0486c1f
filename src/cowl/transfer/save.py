"""Save: images of the store as an OCI layout, or as an archive that `docker load` takes too.

Layers are streamed, so memory stays flat; one that must be compressed goes through the store's staging
place, since a tar wants to know how long a file is before it comes.
OCI image-spec 1.1 image-layout.md; Docker's image spec 1.2, manifest.json.
"""

from __future__ import annotations

from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import Digest
from cowl.oci.image_config import ImageConfig
from cowl.oci.json_object import dumps
from cowl.oci.manifest import Manifest
from cowl.outputs import UNCOMPRESSED
from cowl.transfer.layer_blob import as_form, check_form, media_type, rebuild, write_blob
from cowl.transfer.layout_sink import IMAGE_NAME, REF_NAME, blob_path
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cowl.oci.reference import Reference
    from cowl.outputs import BlobForm
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.store import Store
    from cowl.transfer.layer_blob import Write
    from cowl.transfer.layout_sink import LayoutSink


_CHUNK = 1 << 20


class SavedImage(Value):
    """An image that is to be written, under which names, with which annotations of its manifest."""

    image: ImageRecord
    names: tuple[Reference, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()


def save(
    store: Store, images: Sequence[SavedImage], sink: LayoutSink, form: BlobForm, *, docker: bool = False
) -> tuple[Descriptor, ...]:
    """Writes the images to `sink` and closes it; gives the descriptors of their manifests.

    With `docker` a manifest.json is added. Each layer is written once. Deterministic. Every diff_id is
    checked. Raises InvalidForm, LayerChanged, StoreFull, OSError.
    """
    check_form(form)
    writer = BlobWriter(store, sink, form)
    manifests = [writer.image(saved) for saved in images]
    entries = [
        entry
        for saved, manifest in zip(images, manifests, strict=True)
        for entry in index_entries(saved, manifest)
    ]
    listing = dumps([_docker_entry(*pair) for pair in zip(images, manifests, strict=True)]).encode()
    sink.close(entries, [("manifest.json", listing)] if docker else [])
    return tuple(
        Descriptor(manifest.media_type, manifest.digest, len(manifest.raw)) for manifest in manifests
    )


def index_entries(saved: SavedImage, manifest: Manifest) -> list[Descriptor]:
    """The index's entries for an image: one for each name, or a nameless one."""
    platform = ImageConfig.parse(saved.image.config_bytes).platform
    entry = Descriptor(manifest.media_type, manifest.digest, len(manifest.raw), platform)
    names = [((IMAGE_NAME, str(name)), (REF_NAME, name.tag)) for name in saved.names]
    return [entry.replace(annotations=pairs) for pairs in names] or [entry]


def _docker_entry(saved: SavedImage, manifest: Manifest) -> dict[str, Any]:
    return {
        "Config": blob_path(manifest.config.digest),
        "RepoTags": [name.familiar for name in saved.names] or None,
        "Layers": [blob_path(layer.digest) for layer in manifest.layers],
    }


class BlobWriter:
    """Writes images and layers into one sink, what is there already only once."""

    def __init__(self, store: Store, sink: LayoutSink, form: BlobForm) -> None:
        self._store = store
        self._sink = sink
        self._form = form
        self._layers: dict[str, Descriptor] = {}

    def image(self, saved: SavedImage) -> Manifest:
        """Writes layers, config and manifest of an image."""
        layers = [self.layer(layer) for layer in saved.image.layers]
        oci = self._form.oci_types
        config = self.document(
            saved.image.config_bytes, media_types.OCI_CONFIG if oci else media_types.DOCKER_CONFIG
        )
        manifest = Manifest.make(
            config,
            layers,
            media_type=media_types.OCI_MANIFEST if oci else media_types.DOCKER_MANIFEST,
            annotations=saved.annotations,
        )
        self.document(manifest.raw, manifest.media_type)
        return manifest

    def document(self, data: bytes, kind: str) -> Descriptor:
        """Writes a config or manifest."""
        descriptor = Descriptor(kind, Digest.of(data), len(data))
        if not self._sink.has(descriptor.digest):
            self._sink.blob(descriptor.digest, len(data), lambda write: write(data))
        return descriptor

    def layer(self, layer: Layer) -> Descriptor:
        """Writes a layer as a blob, unless the sink is known to have it in this form."""
        if layer.key not in self._layers:
            self._layers[layer.key] = self._standing(layer) or self._fresh(layer)
        return self._layers[layer.key]

    def _standing(self, layer: Layer) -> Descriptor | None:
        """A blob of the sink that is on record to hold this layer in the wanted form."""
        for known in self._store.blobs.of_layer(layer.diff_id):
            descriptor = as_form(known, self._form, exact=True)
            if descriptor and self._sink.has(descriptor.digest):
                return descriptor
        return None

    def _fresh(self, layer: Layer) -> Descriptor:
        if self._form.compression == UNCOMPRESSED:
            descriptor = Descriptor(media_type(self._form), Digest(layer.diff_id), layer.tar_bytes)
            if not self._sink.has(descriptor.digest):
                self._sink.blob(
                    descriptor.digest, descriptor.size, lambda write: rebuild(self._store, layer, write)
                )
            return descriptor
        with self._store.layers.stage() as stage:
            part = f"{stage.path}/blob"
            with open(part, "xb") as file:
                descriptor = write_blob(self._store, layer, file.write, self._form)
            if not self._sink.has(descriptor.digest):
                self._sink.blob(descriptor.digest, descriptor.size, lambda write: _copy(part, write))
        self._store.blobs.record(descriptor.digest, layer.diff_id, descriptor.size, descriptor.media_type)
        return descriptor


def _copy(path: str, write: Write) -> None:
    with open(path, "rb", buffering=0) as file:
        while data := file.read(_CHUNK):
            write(data)
