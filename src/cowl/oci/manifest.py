"""Manifests and indexes: the documents that tie an image's config and layers together.

OCI image-spec 1.1 manifest.md and image-index.md; Docker's image manifest v2, schema 2.
"""

from __future__ import annotations

from cowl.errors import Invalid, NotFound
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import Digest
from cowl.oci.json_object import JsonObject, dumps, parse_object
from cowl.oci.platform import Platform
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAX_MANIFEST_BYTES = 4 << 20
_NO_ARCHITECTURE = ("", "unknown")


class InvalidManifest(Invalid):
    """A manifest or index is malformed, ambiguous or of a kind that cowl refuses."""


class PlatformNotFound(NotFound):
    """An index offers nothing for the platform. Fields: wanted, offered."""

    def __init__(self, wanted: Platform, offered: tuple[str, ...]) -> None:
        super().__init__(
            f"no matching manifest for {wanted} in the manifest list entries",
            hint=f"it offers {', '.join(offered)}" if offered else "",
        )
        self.wanted = wanted
        self.offered = offered


class Manifest(Value):
    """One image for one platform: its config and its layers, bottom first. Its digest covers `raw`."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    raw: bytes
    annotations: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> Digest:
        """The digest of the document, byte for byte as it came."""
        return Digest.of(self.raw)

    @classmethod
    def make(
        cls,
        config: Descriptor,
        layers: Iterable[Descriptor],
        *,
        media_type: str = media_types.OCI_MANIFEST,
        annotations: tuple[tuple[str, str], ...] = (),
    ) -> Manifest:
        """A new manifest and its deterministic serialisation."""
        layers = tuple(layers)
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        return cls(media_type, config, layers, _document(document, annotations), annotations)


class Index(Value):
    """Manifests for several platforms (Docker: manifest list), or indexes of such."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    raw: bytes
    annotations: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> Digest:
        """The digest of the document, byte for byte as it came."""
        return Digest.of(self.raw)

    @classmethod
    def make(
        cls,
        manifests: Iterable[Descriptor],
        *,
        media_type: str = media_types.OCI_INDEX,
        annotations: tuple[tuple[str, str], ...] = (),
    ) -> Index:
        """A new index and its deterministic serialisation."""
        manifests = tuple(manifests)
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [manifest.to_json() for manifest in manifests],
        }
        return cls(media_type, manifests, _document(document, annotations), annotations)

    def candidates(self, platform: Platform) -> tuple[Descriptor, ...]:
        """Entries that a machine of `platform` can run, best first, then those that name no platform.

        Equals keep the index's order. Raises PlatformNotFound when there are none.
        """
        ranked = [
            (rank, entry)
            for entry in self.manifests
            if entry.platform and (rank := platform.preference(entry.platform)) is not None
        ]
        ranked.sort(key=lambda pair: pair[0])
        nameless = [entry for entry in self.manifests if entry.platform is None and _is_document(entry)]
        found = (*(entry for _, entry in ranked if _is_document(entry)), *nameless)
        if not found:
            raise PlatformNotFound(platform, self._offered())
        return found

    def select(self, platform: Platform) -> Descriptor:
        """The best entry for `platform`; raises PlatformNotFound."""
        return self.candidates(platform)[0]

    def _offered(self) -> tuple[str, ...]:
        """The platforms on offer; attestations (platform unknown/unknown) are none."""
        return tuple(
            str(entry.platform)
            for entry in self.manifests
            if entry.platform
            and entry.platform.architecture not in _NO_ARCHITECTURE
            and str(entry.platform).isprintable()
        )


def parse_manifest(raw: bytes, content_type: str) -> Manifest | Index:
    """The manifest or index in `raw`, whose media type is claimed to be `content_type` ("" if unclaimed).

    Raises InvalidManifest when it is not what it claims, could be read as both kinds
    (CVE-2021-41190), is schema 1, or is larger than MAX_MANIFEST_BYTES.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        raise InvalidManifest(f"manifest of {len(raw)} bytes: more than {MAX_MANIFEST_BYTES} are refused")
    members = parse_object(raw, "manifest", InvalidManifest)
    media_type = _media_type(members, content_type.partition(";")[0].strip().lower())
    if "manifests" in members and ("layers" in members or "config" in members):
        raise InvalidManifest("manifest: it is both an index and an image (CVE-2021-41190): refused")
    if members.integer("schemaVersion") != 2:
        raise members.wrong("schemaVersion", "2")
    if media_type in media_types.INDEXES:
        return _index(members, media_type, raw)
    return _manifest(members, media_type, raw)


def _media_type(members: JsonObject, claimed: str) -> str:
    own = members.text("mediaType")
    if members.integer("schemaVersion") == 1 or {own, claimed} & media_types.SCHEMA1:
        raise InvalidManifest(
            "manifest: Docker's old manifest format (schema 1) is not supported",
            hint="its content can't be verified by digest; have the image pushed again with a current tool",
        )
    if own and claimed and own != claimed:
        raise InvalidManifest(
            f"manifest: it calls itself {own[:100]!r} but came as {claimed[:100]!r}: refused"
        )
    media_type = own or claimed
    if media_type not in media_types.INDEXES | media_types.MANIFESTS:
        raise InvalidManifest(f"manifest: the media type {media_type[:100]!r} is not an image's")
    return media_type


def _index(members: JsonObject, media_type: str, raw: bytes) -> Index:
    if "manifests" not in members:
        raise members.wrong("manifests", "given")
    entries = tuple(Descriptor.from_json(entry) for entry in members.children("manifests"))
    return Index(media_type, entries, raw, members.pairs("annotations"))


def _manifest(members: JsonObject, media_type: str, raw: bytes) -> Manifest:
    config = members.child("config")
    if config is None or "layers" not in members:
        raise members.wrong("config and layers", "given")
    layers = tuple(Descriptor.from_json(layer) for layer in members.children("layers"))
    return Manifest(media_type, Descriptor.from_json(config), layers, raw, members.pairs("annotations"))


def _is_document(entry: Descriptor) -> bool:
    return entry.media_type in media_types.INDEXES | media_types.MANIFESTS


def _document(members: dict[str, Any], annotations: tuple[tuple[str, str], ...]) -> bytes:
    if annotations:
        members["annotations"] = dict(annotations)
    return dumps(members).encode()
