"""Sharers: who else stands on the layers of an image. Rows only."""

from __future__ import annotations

from cowl.oci.reference import Reference
from cowl.store.images import VISIBLE
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.database import Database

_SHORT = 12
# The stacks that stand on the layers of the image's own stack.
_ON = (
    "FROM images AS mine"
    " JOIN stack_layers AS own ON own.stack = mine.stack"
    " JOIN stack_layers AS theirs ON theirs.layer = own.layer"
)
_NAME = "(SELECT min(reference) FROM tags WHERE tags.image = images.id)"


class Sharers(Value):
    """images: names of the others (or short IDs), sorted; containers and snapshots: how many."""

    images: tuple[str, ...] = ()
    containers: int = 0
    snapshots: int = 0


def read_sharers(database: Database, image_id: str) -> dict[str, Sharers]:
    """Of each layer of an image: the other images, the containers and snapshots that stand on it."""
    with database.snapshot():
        own = database.rows(f"SELECT DISTINCT own.layer {_ON} WHERE mine.id = ?", (image_id,))
        names: dict[str, set[str]] = {layer: set() for (layer,) in own}
        for layer, image, reference in database.rows(
            f"SELECT theirs.layer, images.id, {_NAME} {_ON} JOIN images ON images.stack = theirs.stack"
            f" WHERE mine.id = ? AND images.id != mine.id AND {VISIBLE}",
            (image_id,),
        ):
            names[layer].add(Reference.parse(reference).familiar if reference else image[7 : 7 + _SHORT])
        counts: list[dict[str, int]] = [
            dict(
                database.rows(
                    f"SELECT theirs.layer, count(DISTINCT {table}.id) {_ON}"
                    f" JOIN {table} ON {table}.stack = theirs.stack WHERE mine.id = ? GROUP BY theirs.layer",
                    (image_id,),
                )
            )
            for table in ("containers", "snapshots")
        ]
    return {
        layer: Sharers(tuple(sorted(found)), *(count.get(layer, 0) for count in counts))
        for layer, found in names.items()
    }
