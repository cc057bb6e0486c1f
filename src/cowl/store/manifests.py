"""Manifests that images came with, byte for byte: pushed on, such an image keeps its digest."""

from __future__ import annotations

from cowl.oci.manifest import Manifest, parse_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.oci.digest import Digest
    from cowl.store.database import Database

MOST_OF_AN_IMAGE = 16


class Manifests:
    """The manifests of a store. They go with their image."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, image_id: Digest, manifest: Manifest) -> None:
        """Remembers a manifest that describes an image; nothing happens when that is gone. Idempotent."""
        with self._database.write() as transaction:
            transaction.run(
                "INSERT OR IGNORE INTO manifests (image, digest, media_type, raw)"
                " SELECT id, ?, ?, ? FROM images WHERE id = ?",
                (manifest.digest, manifest.media_type, manifest.raw, image_id),
            )
            transaction.run(
                "DELETE FROM manifests WHERE image = ? AND id NOT IN"
                " (SELECT id FROM manifests WHERE image = ? ORDER BY id DESC LIMIT ?)",
                (image_id, image_id, MOST_OF_AN_IMAGE),
            )

    def of(self, image_id: Digest) -> tuple[Manifest, ...]:
        """What is known of an image, the newest first."""
        rows = self._database.rows(
            "SELECT raw, media_type FROM manifests WHERE image = ? ORDER BY id DESC", (image_id,)
        )
        found = (parse_manifest(raw, kind) for raw, kind in rows)
        return tuple(manifest for manifest in found if isinstance(manifest, Manifest))
