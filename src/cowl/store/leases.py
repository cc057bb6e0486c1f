"""Leases: what a running pull, build or publish needs, whoever else lets go of it."""

from __future__ import annotations

import os

from cowl.errors import NotFound
from cowl.store.garbage import delete

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from cowl.store.database import Database
    from cowl.store.garbage import Deletion
    from cowl.store.owner import Owner
    from cowl.store.transaction import Transaction


class NoSuchLayer(NotFound):
    """A layer key that the store does not hold (any more). Field: key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"No such layer: {key}")
        self.key = key


class Lease:
    """Pins layers until the `with` block ends; then those that nobody else refers to are removed.

    A process that dies loses its leases: the next open of the store drops them.
    """

    def __init__(self, leases: Leases, identity: int) -> None:
        self._leases = leases
        self._pid = os.getpid()
        self.id = identity

    def pin(self, layer_key: str) -> None:
        """Keeps a layer while the lease lasts. Idempotent. Raises NoSuchLayer."""
        self._leases.pin(self.id, layer_key)

    def close(self) -> None:
        """Ends the lease. Idempotent; in a forked child it stays the parent's."""
        if self._pid == os.getpid():
            self._leases.drop(self.id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()


class Leases:
    """All leases of this process, and the one that holds what it committed and has not yet referred to."""

    def __init__(self, database: Database, owner: Owner, clock: Callable[[], float]) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._session = 0

    def reset(self) -> None:
        """Forgets the session's lease: it was dropped, rolled back, or is a forked child's parent's."""
        self._session = 0

    def start(self, kind: str) -> Lease:
        """A new lease; `kind` says what for ("pull", "build")."""
        with self._database.write() as transaction:
            return Lease(self, self._insert(transaction, kind))

    def _insert(self, transaction: Transaction, kind: str) -> int:
        owner = self._owner.register(transaction)
        return transaction.insert(
            "INSERT INTO leases (owner, kind, since) VALUES (?, ?, ?)", (owner, kind, self._clock())
        )

    def ensure_session(self, transaction: Transaction) -> int:
        """The lease that covers this process's staging and its freshly committed layers."""
        if not self._session:
            transaction.undo(self.reset)
            self._session = self._insert(transaction, "session")
        return self._session

    @property
    def session(self) -> int:
        """The id of the session's lease, 0 if nothing needed it yet."""
        return self._session

    def hold(self, transaction: Transaction, layer_key: str) -> None:
        """Pins a layer that was just committed until somebody refers to it (`let_go`)."""
        _pin(transaction, self.ensure_session(transaction), layer_key)

    def let_go(self, transaction: Transaction, layer_keys: Sequence[str]) -> None:
        """Takes one `hold` back from each layer: it is referred to now."""
        if not self._session:
            return
        for key in layer_keys:
            transaction.run(
                "UPDATE pins SET count = count - 1 WHERE lease = ? AND layer = ?", (self._session, key)
            )
        transaction.run("DELETE FROM pins WHERE lease = ? AND count <= 0", (self._session,))

    def pin(self, lease: int, layer_key: str) -> None:
        """See `Lease.pin`."""
        with self._database.write() as transaction:
            if not transaction.row("SELECT 1 FROM layers WHERE key = ?", (layer_key,)):
                raise NoSuchLayer(layer_key)
            if not transaction.row("SELECT 1 FROM leases WHERE id = ?", (lease,)):
                raise NotFound("the lease has ended")
            _pin(transaction, lease, layer_key)
            self.let_go(transaction, (layer_key,))

    def drop(self, lease: int) -> None:
        """See `Lease.close`."""

        def body(deletion: Deletion) -> None:
            _drop(deletion, lease)
            self._owner.leave(deletion.transaction)

        delete(self._database, body, "ending a lease")

    def drop_all(self, deletion: Deletion) -> None:
        """Ends all leases of this process, the session's too: the store is closed."""
        rows = deletion.transaction.rows("SELECT id FROM leases WHERE owner = ?", (self._owner.id,))
        for (lease,) in rows:
            _drop(deletion, lease)
        self.reset()


def _drop(deletion: Deletion, lease: int) -> None:
    pinned = deletion.transaction.rows("SELECT layer FROM pins WHERE lease = ?", (lease,))
    deletion.transaction.run("DELETE FROM leases WHERE id = ?", (lease,))
    deletion.drop_unreferenced(row[0] for row in pinned)


def _pin(transaction: Transaction, lease: int, layer_key: str) -> None:
    transaction.run(
        "INSERT INTO pins VALUES (?, ?, 1) ON CONFLICT (lease, layer) DO UPDATE SET count = count + 1",
        (lease, layer_key),
    )
