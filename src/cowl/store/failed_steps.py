"""Failed steps: images of the file system before and after, found by their IDs alone.

They are for looking into, and go by themselves: when the step succeeds, when the build cache is pruned,
when newer ones need the room, or after a day. One that got a name is an image like any other.
"""

from __future__ import annotations

from cowl.oci.digest import Digest
from cowl.store.garbage import delete
from cowl.store.images import drop_image
from cowl.store.stacks import make_stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.store.database import Database
    from cowl.store.garbage import Deletion
    from cowl.store.leases import Leases

MOST_STEPS = 8  # of which something is kept


class FailedSteps:
    """What a store keeps of failed steps."""

    def __init__(self, database: Database, leases: Leases, clock: Callable[[], float]) -> None:
        self._database = database
        self._leases = leases
        self._clock = clock

    def add(self, step: str, images: Sequence[tuple[bytes, Sequence[str]]]) -> tuple[str, ...]:
        """Keeps images, (config, keys of the layers), of the failed step of that key; gives their IDs.

        In place of older ones of that step. Raises NoSuchLayer, StoreFull.
        """

        def body(deletion: Deletion) -> tuple[str, ...]:
            drop_failed_steps(deletion, "WHERE step = ?", (step,))
            found = tuple(self._add(deletion, step, *image) for image in images)
            for (old,) in deletion.transaction.rows(_TOO_MANY, (MOST_STEPS,)):
                drop_failed_steps(deletion, "WHERE step = ?", (old,))
            return found

        return delete(self._database, body, "keeping a failed step")

    def _add(self, deletion: Deletion, step: str, config: bytes, layer_keys: Sequence[str]) -> str:
        transaction, now = deletion.transaction, self._clock()
        identity = str(Digest.of(config))
        if not transaction.row("SELECT 1 FROM images WHERE id = ?", (identity,)):
            stack = make_stack(transaction, layer_keys)
            transaction.run("INSERT INTO images VALUES (?, ?, ?, ?, ?)", (identity, stack, config, now, now))
        transaction.run("INSERT OR REPLACE INTO failed_steps VALUES (?, ?, ?)", (identity, step, now))
        self._leases.let_go(transaction, layer_keys)
        return identity

    def forget(self, step: str) -> None:
        """Drops what is kept of a step, if there are any: it succeeded."""
        if self._database.row("SELECT 1 FROM failed_steps WHERE step = ?", (step,)):
            which = "WHERE step = ?"
            delete(self._database, lambda deletion: drop_failed_steps(deletion, which, (step,)))


_TOO_MANY = "SELECT step FROM failed_steps GROUP BY step ORDER BY max(created_at) DESC LIMIT -1 OFFSET ?"


def drop_failed_steps(deletion: Deletion, which: str, values: Sequence[object]) -> None:
    """Drops those images (an SQL condition) with the layers that nobody else needs; named ones stay."""
    transaction = deletion.transaction
    for (image,) in transaction.rows(f"SELECT image FROM failed_steps {which}", values):
        if transaction.row("SELECT 1 FROM tags WHERE image = ?", (image,)):
            transaction.run("DELETE FROM failed_steps WHERE image = ?", (image,))
        else:
            drop_image(deletion, image)
