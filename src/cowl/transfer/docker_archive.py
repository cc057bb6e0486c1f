"""Docker's archive of images: manifest.json, which names a config and the layers' tars for each image.

Docker's image spec 1.2. Nothing in it has a digest but the config, which names the layers' diff_ids: those
are what the layers are verified by.
"""

from __future__ import annotations

from hashlib import sha256

from cowl.layer.compression import GZIP, UNCOMPRESSED, ZSTD, sniff
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import Digest
from cowl.oci.image_config import ImageConfig
from cowl.oci.manifest import MAX_MANIFEST_BYTES, Manifest
from cowl.transfer.image_files import BadArchive, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from cowl.transfer.image_files import ImageFiles, Part

_LISTING = "manifest.json"
_MOST_IMAGES, _MOST_LAYERS = 10_000, 4096
_HEX = 64
_CHUNK = 1 << 20
_KINDS = {
    UNCOMPRESSED: media_types.DOCKER_LAYER,
    GZIP: media_types.DOCKER_LAYER_GZIP,
    ZSTD: media_types.DOCKER_LAYER_ZSTD,
}


class ArchivedImage:
    """One image of an archive.

    names     as the archive has them
    manifest  made here: the digests of blobs are those of the bytes as they lie there
    config    its bytes
    """

    def __init__(
        self, files: ImageFiles, names: Sequence[str], manifest: Manifest, config: bytes, paths: Sequence[str]
    ) -> None:
        self.names = tuple(names)
        self.manifest = manifest
        self.config = config
        self._files = files
        self._paths = {str(layer.digest): path for layer, path in zip(manifest.layers, paths, strict=True)}

    def open(self, descriptor: Descriptor) -> ArchivedBlob:
        """A layer as `fetch.Blob` is; its diff_id is what verifies it."""
        path = self._paths[str(descriptor.digest)]
        return ArchivedBlob(descriptor, _opened(self._files, path), self._files.name)


class ArchivedBlob:
    """A layer's bytes. See fetch.Blob."""

    def __init__(self, descriptor: Descriptor, part: Part, archive: str) -> None:
        self.descriptor = descriptor
        self.done = 0
        self._part = part
        self._archive = archive
        self._aborted = False

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end. Raises BadArchive when the file was cut meanwhile."""
        data = b"" if self._aborted else self._part.read(size)
        self.done += len(data)
        if not data and self.done < self.descriptor.size:
            raise BadArchive(self._archive, f"layer {self.descriptor.digest} ends too early")
        return data

    def abort(self) -> None:
        """Makes the next read fail."""
        self._aborted = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._part.close()


def read_entries(files: ImageFiles) -> list[ArchivedImage]:
    """The images of an archive, none of which is verified by that. Raises BadArchive, InvalidConfig."""
    return [_image(files, entry) for entry in _listing(files)]


def _listing(files: ImageFiles) -> list[dict[str, Any]]:
    import json

    try:
        raw = read_file(files, _LISTING, MAX_MANIFEST_BYTES + 1)
    except OSError as problem:
        why = "it has neither an index.json, as an OCI layout, nor a manifest.json, as Docker's archives"
        raise BadArchive(files.name, why) from problem
    if len(raw) > MAX_MANIFEST_BYTES:
        raise BadArchive(files.name, f"its manifest.json is longer than {MAX_MANIFEST_BYTES} bytes")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise BadArchive(files.name, f"its manifest.json is no JSON: {problem}") from problem
    if not isinstance(found, list) or not all(_is_entry(entry) for entry in found):
        raise BadArchive(files.name, "its manifest.json is no list of images with Config and Layers")
    if not found or len(found) > _MOST_IMAGES:
        raise BadArchive(files.name, f"its manifest.json has {len(found)} images")
    return found


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    names, layers = entry.get("RepoTags") or [], entry.get("Layers") or []
    lists = isinstance(names, list) and isinstance(layers, list) and len(layers) <= _MOST_LAYERS
    return lists and all(isinstance(word, str) for word in [entry.get("Config"), *names, *layers])


def _image(files: ImageFiles, entry: dict[str, Any]) -> ArchivedImage:
    config = _config(files, entry["Config"])
    diff_ids = ImageConfig.parse(config).diff_ids
    paths = entry.get("Layers") or []
    if len(paths) != len(diff_ids):
        why = f"an image's config names {len(diff_ids)} layers, its manifest.json {len(paths)}"
        raise BadArchive(files.name, why)
    layers = [_layer(files, path, diff_id) for path, diff_id in zip(paths, diff_ids, strict=True)]
    described = Descriptor(media_types.DOCKER_CONFIG, Digest.of(config), len(config))
    manifest = Manifest.make(described, layers, media_type=media_types.DOCKER_MANIFEST)
    return ArchivedImage(files, entry.get("RepoTags") or [], manifest, config, paths)


def _config(files: ImageFiles, path: str) -> bytes:
    """The config, which is what its name says where that is a digest."""
    part = _opened(files, path)
    part.close()
    if part.size > MAX_MANIFEST_BYTES:
        raise BadArchive(files.name, f"the config {path[:100]!r} is longer than {MAX_MANIFEST_BYTES} bytes")
    config = read_file(files, path, part.size)
    named = path.rpartition("/")[2].removesuffix(".json")
    if len(named) == _HEX and not set(named) - set("0123456789abcdef") and named != Digest.of(config).hex:
        raise BadArchive(files.name, f"the config {path[:100]!r} is not what its name says")
    return config


def _layer(files: ImageFiles, path: str, diff_id: str) -> Descriptor:
    """An uncompressed layer has its diff_id for a digest; for a compressed one it is reckoned."""
    part = _opened(files, path)
    try:
        start = part.read(16)
        kind = sniff(start)
        if kind == UNCOMPRESSED:
            return Descriptor(_KINDS[kind], Digest(diff_id), part.size)
        if kind not in _KINDS:
            raise BadArchive(files.name, f"the layer {path[:100]!r} is compressed with {kind}")
        hashed = sha256(start)
        while data := part.read(_CHUNK):
            hashed.update(data)
        return Descriptor(_KINDS[kind], Digest(f"sha256:{hashed.hexdigest()}"), part.size)
    finally:
        part.close()


def _opened(files: ImageFiles, path: str) -> Part:
    try:
        return files.open(path)
    except OSError as problem:
        why = f"{path[:100]!r} is missing, or no regular file"
        raise BadArchive(files.name, why) from problem
