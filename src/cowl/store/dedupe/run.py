"""A dedupe from its start to its end: what is alike is listed, read, and made one, batch by batch.

Listing and reading need no lock. A batch of names moves under the store's lock, so that no container starts
and no layer goes meanwhile; before, what it touches is in the journal, on disk. So wherever it is killed,
the next open of the store finds every file whole, and makes times and rows right.
"""

from __future__ import annotations

import fcntl
import os

from cowl.errors import Conflict
from cowl.linux.files import syncfs
from cowl.store import shared_inodes
from cowl.store.dedupe import journal
from cowl.store.dedupe.busy import MISSING, REMOVED, busy_layers
from cowl.store.dedupe.clones import LEAST, Clones, why_not
from cowl.store.dedupe.inventory import Inventory
from cowl.store.dedupe.merging import Group, Neighbours, merges
from cowl.store.dedupe.relinking import Relinking, Touched
from cowl.store.dedupe.report import Deduplication, SkippedLayer
from cowl.store.dedupe.twins import Twins
from cowl.store.faults import StoreFull
from cowl.store.garbage import delete
from cowl.store.reserve import hold_reserve, release_reserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cowl.store.database import Database
    from cowl.store.dedupe.inodes import Merge
    from cowl.store.layers import Layers
    from cowl.store.owner import Owner
    from cowl.store.transaction import Transaction

_BATCH = 200  # names that move under one lock: some 20 ms
_BATCHES = 16  # of which the journal is kept, until one sync(2) of the file system is for them all
_LAYERS = "SELECT key FROM layers ORDER BY created_at, key"


class DedupeRunning(Conflict):
    """Another process dedupes this store. Field: root."""

    def __init__(self, root: str) -> None:
        super().__init__(f"a dedupe of the store {root} is already running", hint="wait until it has ended")
        self.root = root


def dedupe(
    database: Database, layers: Layers, owner: Owner, check: Callable[[], object] = bool, *, dry_run: bool
) -> Deduplication:
    """Makes identical files of different layers one inode each; see `Store.dedupe`.

    `check` is called often and may raise to give up: what is done by then stays done. On a full disk the
    reserve is released for it.
    """
    lock = os.open(database.root.layers, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DedupeRunning(database.root.path) from None
        run = _Dedupe(database, owner, layers, check, dry_run=dry_run)
        try:
            return run.run()
        except StoreFull:
            if not release_reserve(database.root.reserve):
                raise
        return run.run()
    finally:
        hold_reserve(database.root.reserve)
        os.close(lock)


class _Dedupe:
    """One dedupe; `run` once more goes on where it failed. `_staging`: a directory on the layers' device."""

    def __init__(
        self, database: Database, owner: Owner, layers: Layers, check: Callable[[], object], *, dry_run: bool
    ) -> None:
        self._database = database
        self._root = database.root
        self._owner = owner
        self._stages = layers
        self._staging = ""
        self._check = check
        self._dry_run = dry_run
        self._done = Deduplication(dry_run)
        self._twins = Twins(self._root, check)
        self._skipped: list[SkippedLayer] = []
        self._touched = Touched()
        self._batches = 0
        self._torn = False  # a batch may have moved names that its rows do not tell of

    def run(self) -> Deduplication:
        with self._stages.stage() as stage:
            self._staging = stage.path
            return self._run()

    def _run(self) -> Deduplication:
        keys = self._layers()
        with Inventory(self._root.path, f"{self._staging}/inventory", keys) as inventory:
            self._list(inventory, keys)
            try:
                self._link(inventory)
            finally:
                self._finish()
            self._clone(inventory)
        return self._done.replace(unreadable=self._twins.unreadable, skipped=tuple(self._skipped))

    def _layers(self) -> list[str]:
        """The keys of those that may be touched, oldest first."""
        with self._database.snapshot() as rows:
            busy = busy_layers(rows)
            keys = [key for (key,) in rows.rows(_LAYERS)]
        self._skipped = [SkippedLayer(key, busy[key]) for key in keys if key in busy]
        return [key for key in keys if key not in busy]

    def _list(self, inventory: Inventory, keys: list[str]) -> None:
        device = os.stat(self._root.layers).st_dev
        listed = 0
        for index, key in enumerate(keys):
            self._check()
            try:
                inventory.take(index, self._root.diff(key), device)
                listed += 1
            except FileNotFoundError:
                inventory.forget(index)
                known = self._database.row("SELECT 1 FROM layers WHERE key = ?", (key,))
                self._skipped.append(SkippedLayer(key, MISSING if known else REMOVED))
        inventory.close_lists()
        self._done = self._done.replace(layers=listed, files=inventory.files)

    def _link(self, inventory: Inventory) -> None:
        neighbours = self._neighbours = Neighbours(self._database)
        batch: list[Merge] = []
        for alike in inventory.alike():
            for same in self._twins.same(alike):
                for merge in merges(same, neighbours):
                    batch.append(merge)
                    if len(batch) >= _BATCH:
                        self._move(batch, inventory)
                        batch = []
                if len(batch) >= _BATCH // 2:
                    self._move(batch, inventory)
                    batch = []
                if not batch:
                    self._touched = Touched()
        self._move(batch, inventory)

    def _move(self, batch: list[Merge], inventory: Inventory) -> None:
        if self._dry_run:
            self._predict(batch)
            inventory.lose(merge.old.number for merge in batch)
            return
        for part in _parts(batch):
            self._check()
            with self._database.write(durable=True, doing="preparing a dedupe") as transaction:
                usable = self._usable(transaction, part)
                journal.note(transaction, self._root, self._owner.register(transaction), usable)
            self._torn = True
            self._relink(usable)
            self._torn = False
            self._batches += 1
            if self._batches % _BATCHES == 0:
                self._finish()

    def _predict(self, batch: list[Merge]) -> None:
        """What moving them would do, if nothing changed meanwhile."""
        self._done = self._done.replace(
            links=self._done.links + sum(len(merge.old.names) for merge in batch),
            inodes=self._done.inodes + len(batch),
            freed_bytes=self._done.freed_bytes + sum(merge.old.blocks * 512 for merge in batch),
        )

    def _usable(self, transaction: Transaction, batch: list[Merge]) -> list[Merge]:
        """Those of which all layers are still there, and still nobody's."""
        busy = busy_layers(transaction)
        known = {key for (key,) in transaction.rows("SELECT key FROM layers")} - busy.keys()
        usable = [
            merge
            for merge in batch
            if known.issuperset(layer for layer, _, _ in (*merge.kept.names, *merge.old.names))
        ]
        self._done = self._done.replace(changed=self._done.changed + len(batch) - len(usable))
        return usable

    def _relink(self, batch: list[Merge]) -> None:
        relinking = Relinking(self._root, self._staging, self._touched)
        try:
            with self._database.write(doing="deduplicating layers") as transaction:
                self._merge(transaction, relinking, batch)
        finally:
            relinking.release()
        done = self._done
        self._done = done.replace(
            links=done.links + relinking.links,
            inodes=done.inodes + relinking.inodes,
            freed_bytes=done.freed_bytes + relinking.freed_bytes,
            refused=done.refused + relinking.refused,
            changed=done.changed + relinking.changed,
        )

    def _merge(self, transaction: Transaction, relinking: Relinking, batch: list[Merge]) -> None:
        """Moves names and writes the rows, under the lock."""
        usable = self._usable(transaction, batch)
        if not self._neighbours.hold(transaction):
            self._neighbours = Neighbours(transaction)
        with relinking:
            for merge in usable:
                group = self._touched.groups.setdefault(merge.kept.number, Group(merge.kept))
                if group.fits(merge.old.layers, self._neighbours):  # there may be new stacks
                    group.take(merge.old.layers)
                    relinking.merge(merge)
        shared_inodes.add(transaction, relinking.shared)
        for layer, grown in relinking.grown.items():
            transaction.run(
                "UPDATE layers SET allocated_bytes = allocated_bytes + ? WHERE key = ?", (grown, layer)
            )

    def _finish(self) -> None:
        """Empties the journal when all that it tells of is on disk; after a failure, makes the rows true."""
        if self._dry_run or not self._database.row("SELECT 1 FROM relinked_directories LIMIT 1"):
            return
        owner = self._owner.id
        if self._torn:
            which = "WHERE owner = ?"
            delete(
                self._database,
                lambda deletion: journal.settle(deletion.transaction, self._root, which, (owner,)),
                "finishing a dedupe",
            )
            return
        fd = os.open(self._root.layers, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(fd)
        finally:
            os.close(fd)
        with self._database.write(doing="finishing a dedupe") as transaction:
            journal.forget(transaction, owner)

    def _clone(self, inventory: Inventory) -> None:
        """Shares the data of files that have to stay files of their own."""
        reason = why_not(self._staging)
        clones = Clones(self._root, dry_run=self._dry_run)
        if not reason:
            for alike in inventory.same_size(LEAST):
                for same in self._twins.same_bytes(alike):
                    clones.share(same)
        self._done = self._done.replace(
            cloned_files=clones.files,
            cloned_bytes=clones.bytes,
            why_no_clones=reason,
            refused=self._done.refused + clones.refused,
        )


def _parts(batch: list[Merge]) -> Iterator[list[Merge]]:
    """Merges of about as many names as move under one lock."""
    part: list[Merge] = []
    names = 0
    for merge in batch:
        part.append(merge)
        names += len(merge.old.names)
        if names >= _BATCH:
            yield part
            part, names = [], 0
    if part:
        yield part
