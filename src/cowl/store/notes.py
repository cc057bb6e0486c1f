"""Notes: what made each step of the build cache, kept so that a later miss can be explained.

A note outlives its step's layer: only so can a miss say that the layer was pruned. Notes are bounded in
number and bytes, the oldest go first. Nothing reads or writes one while every step is cached.
"""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.database import Database
    from cowl.store.transaction import Row, Transaction

PER_PLACE = 8  # of one step of one Dockerfile
MOST = 4096
MOST_BYTES = 16 << 20
_CANDIDATES = 16

_COLUMNS = "key, kind, origin, place, text, below, inputs, created_at"


class StepNote(Value):
    """What made a step. `origin`, `place` and `text` are opaque hashes that tell which step it is.

    key         of the step in the cache
    kind        "run", "copy", ...
    origin      which Dockerfile in which context
    place       which stage, and which step of it
    text        the instruction as written
    below       the state that it started from
    inputs      a JSON object
    files       bytes that only who made the note can read; b"" for none, or when not asked for
    created_at  seconds since the epoch; filled in by the store
    """

    key: str
    kind: str
    origin: str
    place: str
    text: str
    below: str
    inputs: str
    files: bytes = b""
    created_at: float = 0.0


class Notes:
    """The notes of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> StepNote | None:
        """The note of a step, without its files."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM notes WHERE key = ?", (key,))
        return _note(row) if row else None

    def near(self, note: StepNote, twin: str) -> tuple[StepNote, ...]:
        """Those of the same kind that may be an earlier form of `note`, newest first, without files.

        They stand at the same place of the same Dockerfile, or say the same in the same Dockerfile, or say
        the same on top of the same state in whatever Dockerfile. `twin` is an origin that counts as the
        same.
        """
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM notes WHERE kind = ?1 AND"
            " (origin IN (?2, ?6) AND (place = ?3 OR text = ?4) OR text = ?4 AND below = ?5)"
            f" ORDER BY created_at DESC LIMIT {_CANDIDATES}",
            (note.kind, note.origin, note.place, note.text, note.below, twin),
        )
        return tuple(map(_note, rows))

    def files(self, key: str) -> bytes:
        """The files of a note; b"" when it is gone."""
        row = self._database.row("SELECT files FROM notes WHERE key = ?", (key,))
        return bytes(row[0]) if row else b""


def write_note(transaction: Transaction, note: StepNote, now: float) -> None:
    """Adds a note, or puts it in the place of the one with its key; old ones beyond the bounds go."""
    size = len(note.inputs) + len(note.files)
    transaction.run("DELETE FROM notes WHERE key = ?", (note.key,))
    transaction.run(
        f"INSERT INTO notes ({_COLUMNS}, files, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*(getattr(note, name) for name in _COLUMNS.split(", ")[:-1]), now, note.files, size),
    )
    transaction.run(
        "DELETE FROM notes WHERE id IN (SELECT id FROM notes WHERE origin = ? AND place = ?"
        f" ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET {PER_PLACE})",
        (note.origin, note.place),
    )
    count, total = transaction.row("SELECT count(*), total(bytes) FROM notes") or (0, 0)
    while count > MOST or total > MOST_BYTES:
        gone = transaction.row("SELECT id, bytes FROM notes ORDER BY created_at, id LIMIT 1")
        assert gone is not None
        transaction.run("DELETE FROM notes WHERE id = ?", (gone[0],))
        count, total = count - 1, total - gone[1]


def _note(row: Row) -> StepNote:
    return StepNote(*row[:-1]).replace(created_at=row[-1])
