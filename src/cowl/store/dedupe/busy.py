"""Which layers nobody may touch now, and why: what lies below a mounted overlay must not change.

Every mount has its row before it is made: that of a container with its owner, or the pin of a running
build. So whoever looks under the store's lock, and works under it, can't meet one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.database import Database
    from cowl.store.transaction import Transaction

USED_BY_CONTAINER = "a container that runs uses it"
PINNED = "a running pull or build needs it"
NOT_HASHED = "it was not hashed yet"
MISSING = "its directory is missing"
REMOVED = "it was removed meanwhile"


def busy_layers(rows: Database | Transaction) -> dict[str, str]:
    """The keys of the layers to leave alone, each with the reason."""
    found = {key: NOT_HASHED for (key,) in rows.rows("SELECT key FROM layers WHERE diff_id = ''")}
    found.update((key, PINNED) for (key,) in rows.rows("SELECT DISTINCT layer FROM pins"))
    found.update(
        (key, USED_BY_CONTAINER)
        for (key,) in rows.rows(
            "SELECT DISTINCT layer FROM containers JOIN stack_layers USING (stack)"
            " WHERE owner IS NOT NULL OR state NOT IN ('created', 'exited')"
        )
    )
    return found
