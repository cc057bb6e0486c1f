"""Stacks: ordered sets of layers, bottom first, that images and containers share."""

from __future__ import annotations

from cowl.store.layers import COLUMNS, Layer, layer_of
from cowl.store.leases import NoSuchLayer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cowl.store.database import Database
    from cowl.store.transaction import Transaction

_FEW = 64  # stacks that are read one by one: to read all of a large store takes as long as a few hundred
_LAYER_COLUMNS = ", ".join(f"layers.{name}" for name in COLUMNS.split(", "))


def make_stack(transaction: Transaction, keys: Sequence[str]) -> int:
    """The id of the stack of these layers, bottom first; made if it is new. Raises NoSuchLayer."""
    digest = _digest(keys)
    row = transaction.row("SELECT id FROM stacks WHERE digest = ?", (digest,))
    if row:
        return int(row[0])
    for key in keys:
        if not transaction.row("SELECT 1 FROM layers WHERE key = ?", (key,)):
            raise NoSuchLayer(key)
    stack = transaction.insert("INSERT INTO stacks (digest) VALUES (?)", (digest,))
    for position, key in enumerate(keys):
        transaction.run("INSERT INTO stack_layers VALUES (?, ?, ?)", (stack, position, key))
    return stack


def stack_of_image(transaction: Transaction, image_id: str, keys: Sequence[str]) -> int:
    """As `make_stack`, for a container: mostly its image's own stack, which needs no hashing."""
    row = transaction.row("SELECT stack FROM images WHERE id = ?", (image_id,))
    if row:
        layers = transaction.rows("SELECT layer FROM stack_layers WHERE stack = ? ORDER BY position", row)
        if [layer for (layer,) in layers] == list(keys):
            return int(row[0])
    return make_stack(transaction, keys)


class Stacks:
    """The stacks of a list, read together when the layers of one are first asked for: most who list
    containers never ask."""

    def __init__(self, database: Database, identities: Iterable[int]) -> None:
        self._database = database
        self._identities = frozenset(identities)
        self._found: dict[int, tuple[Layer, ...]] | None = None

    def layers(self, identity: int) -> tuple[Layer, ...]:
        """Of one of them, bottom first. They stay as long as something stands on the stack."""
        if self._found is None:
            self._found = read_stacks(self._database, self._identities)
        return self._found[identity]


class Stack:
    """One of some stacks; equal to another of the same id."""

    def __init__(self, stacks: Stacks, identity: int) -> None:
        self._stacks = stacks
        self.id = identity

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Bottom first."""
        return self._stacks.layers(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stack) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Stack({self.id})"


def read_stack(database: Database, stack: int) -> tuple[Layer, ...]:
    """The layers of one stack, bottom first."""
    rows = database.rows(
        f"SELECT {_LAYER_COLUMNS} FROM stack_layers JOIN layers ON layers.key = stack_layers.layer"
        " WHERE stack = ? ORDER BY position",
        (stack,),
    )
    return tuple(map(layer_of, rows))


def find_stack(database: Database, keys: Sequence[str]) -> int | None:
    """The id of the stack of exactly these layers, bottom first, or None."""
    row = database.row("SELECT id FROM stacks WHERE digest = ?", (_digest(keys),))
    return int(row[0]) if row else None


def stack_sizes(database: Database) -> dict[int, int]:
    """Apparent bytes of the layers of every stack, a layer that comes twice counted twice."""
    return dict(
        database.rows(
            "SELECT stack, sum(size_bytes) FROM stack_layers JOIN layers ON layers.key = stack_layers.layer"
            " GROUP BY stack"
        )
    )


def _digest(keys: Sequence[str]) -> str:
    from hashlib import sha256  # loads OpenSSL, and a container takes its image's stack

    return sha256(" ".join(keys).encode()).hexdigest()


def read_stacks(database: Database, stacks: Iterable[int]) -> dict[int, tuple[Layer, ...]]:
    """The layers of several stacks; all of the store are read at once when there are many."""
    wanted = set(stacks)
    if len(wanted) <= _FEW:
        return {stack: read_stack(database, stack) for stack in wanted}
    layers = {row[0]: layer_of(row) for row in database.rows(f"SELECT {COLUMNS} FROM layers")}
    found: dict[int, list[Layer]] = {stack: [] for stack in wanted}
    for stack, key in database.rows("SELECT stack, layer FROM stack_layers ORDER BY stack, position"):
        if stack in found:
            found[stack].append(layers[key])
    return {stack: tuple(parts) for stack, parts in found.items()}
