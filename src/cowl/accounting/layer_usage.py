"""What a layer takes, who refers to it, and who owns its bytes."""

from __future__ import annotations

from cowl.accounting.instructions import instructions, line_numbers
from cowl.accounting.ledger import CONTAINER, FAILED, IMAGE, SNAPSHOT, STEP
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.ledger import Ledger, Object
    from cowl.accounting.reading import Reading


class LayerUsage(Value):
    """A layer: who refers to it, and the one owner of its bytes ("layer", "snapshot", "container",
    "build cache", "staging").

    diff_id           "" of a snapshot's layer that nobody has needed hashed yet
    size_bytes        apparent
    allocated_bytes   on disk, of its directory as it stands
    attributed_bytes  on disk, without the inodes that it shares with an older layer: these sum to the
                      whole
    pinned            a running pull, build or commit needs it
    instruction       what made it, as the history of an image or a cached step says; "" when unknown
    line              of the Dockerfile that an image was last built from; 0 when unknown
    """

    key: str
    diff_id: str
    size_bytes: int
    allocated_bytes: int
    images: tuple[str, ...]
    containers: tuple[str, ...]
    steps: tuple[str, ...]
    owner: str
    pinned: bool
    failed_steps: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    attributed_bytes: int = 0
    files: int = 0
    whiteouts: int = 0
    created_at: float = 0.0
    instruction: str = ""
    line: int = 0

    @property
    def referents(self) -> frozenset[Object]:
        """All that must be removed before the layer goes."""
        return frozenset(
            (kind, identity)
            for kind, found in (
                (IMAGE, self.images),
                (SNAPSHOT, self.snapshots),
                (CONTAINER, self.containers),
                (STEP, self.steps),
                (FAILED, self.failed_steps),
            )
            for identity in found
        )


def layer_usages(reading: Reading) -> tuple[LayerUsage, ...]:
    """All layers, in the order of their keys."""
    ledger, details = reading.ledger, reading.details
    if details is None:
        return tuple(_layer(ledger, key, "", 0) for key in ledger.layers)
    told, lines = instructions(ledger.rows, details.configs), line_numbers(ledger.rows, details.builds)
    return tuple(_layer(ledger, key, told.get(key, ""), lines.get(key, 0)) for key in ledger.layers)


def _layer(ledger: Ledger, key: str, instruction: str, line: int) -> LayerUsage:
    layer = ledger.layers[key]
    return LayerUsage(
        key=key,
        diff_id=layer.diff_id,
        size_bytes=layer.size_bytes,
        allocated_bytes=layer.allocated_bytes,
        images=tuple(ledger.users(key, IMAGE)),
        containers=tuple(ledger.users(key, CONTAINER)),
        steps=tuple(ledger.users(key, STEP)),
        owner=ledger.owner(key),
        pinned=key in ledger.rows.pinned,
        failed_steps=tuple(ledger.users(key, FAILED)),
        snapshots=tuple(ledger.users(key, SNAPSHOT)),
        attributed_bytes=ledger.attributed(key).allocated_bytes,
        files=layer.files,
        whiteouts=layer.whiteouts,
        created_at=layer.created_at,
        instruction=instruction,
        line=line,
    )
