"""Blobs: which compressed blob holds which layer, so that a pull skips what is there."""

from __future__ import annotations

from cowl.oci.digest import DiffId
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.database import Database


class KnownBlob(Value):
    """A blob that was once unpacked and verified: `size_bytes` is its compressed length."""

    digest: str
    diff_id: DiffId
    size_bytes: int
    media_type: str


class Blobs:
    """The known blobs of a store; a row goes with the last layer of its diff_id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, digest: str) -> KnownBlob | None:
        """What the blob of this digest unpacks to, or None."""
        row = self._database.row(
            "SELECT digest, diff_id, size_bytes, media_type FROM blobs WHERE digest = ?", (digest,)
        )
        return KnownBlob(row[0], DiffId(row[1]), row[2], row[3]) if row else None

    def of_layer(self, diff_id: str) -> tuple[KnownBlob, ...]:
        """All blobs that are known to hold this layer."""
        rows = self._database.rows(
            "SELECT digest, diff_id, size_bytes, media_type FROM blobs WHERE diff_id = ? ORDER BY digest",
            (diff_id,),
        )
        return tuple(KnownBlob(row[0], DiffId(row[1]), row[2], row[3]) for row in rows)

    def record(self, digest: str, diff_id: str, size_bytes: int, media_type: str) -> None:
        """Remembers a blob that was verified and unpacked. Idempotent."""
        with self._database.write() as transaction:
            transaction.run(
                "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?)", (digest, diff_id, size_bytes, media_type)
            )
