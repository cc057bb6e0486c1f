"""What a build knew of its image and the image's config does not tell: whose layers they are.

Kept beside the image, so that a figure about a layer can name a line of a Dockerfile. The last build that
gave the image its ID counts: lines may have moved without changing it.
"""

from __future__ import annotations

import json

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.database import Database
    from cowl.store.transaction import Transaction


class BuiltImage(Value):
    """How an image was built.

    base         ID of the image that the Dockerfile stands on, "" for none
    base_layers  how many layers are that one's
    makers       of each other layer, bottom first: (line of its instruction, number of its step), both 0
                 where there is no one
    """

    base: str
    base_layers: int
    makers: tuple[tuple[int, int], ...]

    def line(self, position: int) -> int:
        """The line that made the layer at a position, 0 being the lowest; 0 when unknown."""
        return self.maker(position)[0]

    def maker(self, position: int) -> tuple[int, int]:
        """Its (line, number of the step)."""
        index = position - self.base_layers
        return self.makers[index] if 0 <= index < len(self.makers) else (0, 0)


def read_built(database: Database, image_id: str) -> BuiltImage | None:
    """How an image was built; None of one that was not built here."""
    row = database.row("SELECT base, base_layers, makers FROM built_images WHERE image = ?", (image_id,))
    if row is None:
        return None
    return BuiltImage(row[0], row[1], tuple((line, step) for line, step in json.loads(row[2])))


def read_all_built(database: Database) -> dict[str, BuiltImage]:
    """How images were built, by ID; those that were not built here are left out."""
    return {
        image: BuiltImage(base, base_layers, tuple((line, step) for line, step in json.loads(makers)))
        for image, base, base_layers, makers in database.rows(
            "SELECT image, base, base_layers, makers FROM built_images"
        )
    }


def write_built(transaction: Transaction, image_id: str, built: BuiltImage) -> None:
    """Says it, in the place of what was said before."""
    makers = json.dumps(built.makers, separators=(",", ":"))
    transaction.run(
        "INSERT OR REPLACE INTO built_images VALUES (?, ?, ?, ?)",
        (image_id, built.base, built.base_layers, makers),
    )
