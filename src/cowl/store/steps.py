"""Steps: what the build cache knows. A step's key leads to the layer that it made, or to none."""

from __future__ import annotations

from cowl.store.garbage import delete
from cowl.store.layers import COLUMNS, Layer, layer_of
from cowl.store.leases import NoSuchLayer
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

    from cowl.store.database import Database
    from cowl.store.garbage import Deletion
    from cowl.store.leases import Leases
    from cowl.store.notes import StepNote


class NoLayer(Value):
    """What a step that changed no file leads to: it is cached, and there is no layer."""


NO_LAYER: Final = NoLayer()


class BuiltStep(Value):
    """A step of a build that is done, made or cached: what a build cache can tell others.

    layer     what it made, None for a step that changed no file
    in_image  it belongs to the stages that the image lies on, not only to one that these copy from
    """

    key: str
    layer: Layer | None
    description: str
    in_image: bool = True


class Steps:
    """The step cache of a store. An entry keeps its layer alive, as BuildKit's do."""

    def __init__(self, database: Database, leases: Leases, clock: Callable[[], float]) -> None:
        self._database = database
        self._leases = leases
        self._clock = clock

    def find(self, key: str) -> Layer | NoLayer | None:
        """The layer of a step, NO_LAYER if it made none, None if the step is unknown.

        Its `created_at` is when the step was first carried out, wherever that was.
        """
        with self._database.snapshot() as database:
            step = database.row("SELECT layer, created_at FROM steps WHERE key = ?", (key,))
            if step is None:
                return None
            if step[0] is None:
                return NO_LAYER
            row = database.row(f"SELECT {COLUMNS} FROM layers WHERE key = ?", (step[0],))
            return layer_of(row).replace(created_at=step[1]) if row else None

    def add(
        self,
        key: str,
        layer_key: str | None,
        description: str,
        note: StepNote | None = None,
        created_at: float | None = None,
    ) -> None:
        """Records that the step `key` made a layer (None: no layer), and what made it. Replaces.

        Raises NoSuchLayer.
        `created_at` is when it was carried out, if elsewhere; None: when its layer came to be here.
        """
        with self._database.write(doing="recording a build step") as transaction:
            now = made = self._clock()
            if layer_key:
                row = transaction.row("SELECT created_at FROM layers WHERE key = ?", (layer_key,))
                if row is None:
                    raise NoSuchLayer(layer_key)
                made = row[0]
            transaction.run(
                "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?)",
                (key, layer_key or None, description, made if created_at is None else created_at, now),
            )
            if note is not None:
                from cowl.store.notes import write_note

                write_note(transaction, note, now)
            self._leases.let_go(transaction, (layer_key,) if layer_key else ())

    def touch(self, keys: Sequence[str]) -> None:
        """Records that the steps were used just now."""
        with self._database.write() as transaction:
            for key in keys:
                transaction.run("UPDATE steps SET last_used = ? WHERE key = ?", (self._clock(), key))

    def forget(self, key: str) -> None:
        """Drops one step, and its layer if nothing else needs it. An unknown key is no error."""
        delete(self._database, lambda deletion: _drop(deletion, "WHERE key = ?", (key,)))

    def prune(self) -> int:
        """Drops all steps and what is kept of failed ones; the bytes on disk of the layers that went too."""
        from cowl.store.failed_steps import drop_failed_steps

        def body(deletion: Deletion) -> int:
            drop_failed_steps(deletion, "", ())
            _drop(deletion, "", ())
            return sum(layer.allocated_bytes for layer in deletion.dropped)

        return delete(self._database, body, "pruning the build cache")


def _drop(deletion: Deletion, which: str, values: Sequence[str]) -> None:
    layers = deletion.transaction.rows(f"SELECT DISTINCT layer FROM steps {which}", values)
    deletion.transaction.run(f"DELETE FROM steps {which}", values)
    deletion.drop_unreferenced(row[0] for row in layers if row[0] is not None)
