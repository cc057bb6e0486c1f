"""Downloads: what a URL gave when it was asked last, so that a server can say that nothing changed.

The bytes themselves are not kept: a step of the cache that used them is found by their digest. A URL may
hold secrets, so only its hash is written down.
"""

from __future__ import annotations

from hashlib import sha256

from cowl.oci.digest import Digest
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.store.database import Database

MOST = 1024  # the oldest go first


class Download(Value):
    """What came from a URL. `etag` is the server's name of this very content (RFC 9110, 8.8.3)."""

    etag: str
    digest: Digest
    size_bytes: int


class Downloads:
    """The downloads that a store knows of."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def find(self, url: str) -> Download | None:
        """What the URL gave last, or None."""
        row = self._database.row("SELECT etag, digest, size_bytes FROM downloads WHERE url = ?", (_key(url),))
        return Download(row[0], Digest.parse(row[1]), row[2]) if row else None

    def add(self, url: str, download: Download) -> None:
        """Remembers it, instead of what was known of that URL."""
        values = (_key(url), download.etag, str(download.digest), download.size_bytes, self._clock())
        with self._database.write(doing="recording a download") as transaction:
            transaction.run("INSERT OR REPLACE INTO downloads VALUES (?, ?, ?, ?, ?)", values)
            transaction.run(
                "DELETE FROM downloads WHERE url NOT IN"
                f" (SELECT url FROM downloads ORDER BY checked_at DESC LIMIT {MOST})"
            )


def _key(url: str) -> str:
    return sha256(url.encode(errors="surrogateescape")).hexdigest()
