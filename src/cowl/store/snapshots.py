"""Snapshots: a container's upper at one moment, kept as the topmost layer of a stack.

Of a stopped container that is a rename. The layer gets no diff_id before somebody needs one
(`Layers.hashed`), and a key that says nothing of its content.
"""

from __future__ import annotations

import json
import os

from cowl.linux.files import syncfs
from cowl.linux.override_stat import XATTR
from cowl.oci.digest import DiffId
from cowl.store.container_hold import ContainerHold, check_stopped
from cowl.store.container_record import NoSuchContainer
from cowl.store.disk import SETTLED_SECONDS
from cowl.store.faults import from_os
from cowl.store.garbage import delete, drop_unused_stack
from cowl.store.layers import Layer, insert_layer
from cowl.store.names import resolve
from cowl.store.snapshot_record import (
    AmbiguousSnapshotId,
    NoSuchSnapshot,
    SnapshotInUse,
    SnapshotNameInUse,
    SnapshotRecord,
    StackTooDeep,
    check_snapshot_name,
)
from cowl.store.stacks import make_stack, read_stack, read_stacks
from cowl.store.upper_moves import UpperMove

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable

    from cowl.store.container_record import ContainerRecord
    from cowl.store.containers import Containers
    from cowl.store.database import Database
    from cowl.store.garbage import Deletion
    from cowl.store.layers import Layers, Stage
    from cowl.store.owner import Owner
    from cowl.store.transaction import Row, Transaction

_COLUMNS = "id, name, container, image, stack, settings, message, created_at, last_used, image_layers"
_UNMEASURED = (
    "size_bytes = NULL, allocated_bytes = NULL, overhead_bytes = NULL, files = NULL, whiteouts = NULL"
)
MOST_LAYERS = 499  # of a stack: overlayfs takes 500 (OVL_MAX_STACK), of which one has the mount points
_BLOCK = 512  # of st_blocks, stat(2)
_DOING = "taking a snapshot"


class Snapshots:
    """The snapshots of a store."""

    def __init__(
        self,
        database: Database,
        owner: Owner,
        layers: Layers,
        containers: Containers,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._root = database.root
        self._owner = owner
        self._layers = layers
        self._containers = containers
        self._clock = clock

    def freeze(
        self, container_id: str, name: str = "", message: str = "", user: tuple[int, int] = (0, 0)
    ) -> SnapshotRecord:
        """Makes a layer of a stopped container's upper, and gives the container a fresh one on top of it.

        name  "" makes a nameless snapshot
        user  uid and gid of the container's processes: whose its new files are, where owners are on record

        No file is copied or read. Its figures are those of the container's exit, once a minute has gone by
        since then; before that every file is looked at (lstat), since what was just written has no blocks
        yet. An untouched upper makes no layer: the snapshot is the stack below it.
        When it returns, all is on disk. Raises NoSuchContainer, ContainerNotStopped, ContainerBusy,
        InvalidSnapshotName, SnapshotNameInUse, StackTooDeep, StoreFull.
        """
        wanted = check_snapshot_name(name) if name else ""
        with ContainerHold(self._containers.get(container_id)):
            record = self._containers.get(container_id)
            check_stopped(record)
            try:
                if self._is_untouched(record):
                    return self._keep(record, wanted, message)
                _check_depth(record)
                layer = self._frozen_layer(record, user)
                return self._freeze(record, layer, wanted, message)
            except OSError as problem:
                raise from_os(self._root.path, _DOING, problem) from problem

    def _is_untouched(self, record: ContainerRecord) -> bool:
        """Whether the upper says nothing that the layers below do not say."""
        if not record.layers or os.listdir(record.upper):
            return False
        return _looks(record.upper) == _looks(self._root.diff(record.layer_keys[-1]))

    def _frozen_layer(self, record: ContainerRecord, user: tuple[int, int]) -> Layer:
        """The layer that the upper will be, but for the blocks of the layer's own directory."""
        self._adopt(record, user)
        fd = os.open(record.upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(fd)
        finally:
            os.close(fd)
        size, allocated, files, whiteouts = self._figures(record, fresh=any(user))
        key, now = os.urandom(32).hex(), self._clock()
        return Layer(key, DiffId(""), "", size, allocated, files, whiteouts, 0, now)

    def _adopt(self, record: ContainerRecord, user: tuple[int, int]) -> None:
        if not any(user):
            return
        from cowl.layer.adopt import adopt
        from cowl.layer.ownership import for_euid
        from cowl.layer.view import MergedView

        below = MergedView([self._root.diff(key) for key in dict.fromkeys(reversed(record.layer_keys))])
        adopt(record.upper, below, *user, for_euid(os.geteuid()))

    def _figures(self, record: ContainerRecord, *, fresh: bool) -> tuple[int, int, int, int]:
        """(apparent bytes, blocks in bytes, files, whiteouts) of the upper."""
        row = self._database.row(
            "SELECT size_bytes, allocated_bytes, files, whiteouts FROM containers WHERE id = ?"
            " AND state = 'exited' AND measured_at - finished_at >= ?",
            (record.id, SETTLED_SECONDS),
        )
        if row and None not in row and not fresh:
            return row[0], row[1], row[2], row[3]
        from cowl.layer.measure import measure

        found = measure(record.upper)
        return found.size_bytes, found.allocated_bytes, found.files, found.whiteouts

    def _freeze(self, record: ContainerRecord, layer: Layer, name: str, message: str) -> SnapshotRecord:
        with (
            UpperMove(self._database, self._owner, record.id, layer.key) as move,
            self._database.write(durable=True, doing=_DOING) as transaction,
        ):
            old = _stack_of(transaction, record.id)
            _check_free(transaction, name)
            own = os.lstat(move.into_layer(transaction)).st_blocks * _BLOCK
            layer = layer.replace(allocated_bytes=layer.allocated_bytes + own)
            insert_layer(transaction, layer)
            stack = make_stack(transaction, (*record.layer_keys, layer.key))
            transaction.run(
                f"UPDATE containers SET stack = ?, {_UNMEASURED} WHERE id = ?", (stack, record.id)
            )
            drop_unused_stack(transaction, old)
            identity = self._insert(transaction, record, stack, name, message)
        return self.get(identity)

    def _keep(self, record: ContainerRecord, name: str, message: str) -> SnapshotRecord:
        """A snapshot of the layers alone."""
        with self._database.write(durable=True, doing=_DOING) as transaction:
            stack = _stack_of(transaction, record.id)
            _check_free(transaction, name)
            identity = self._insert(transaction, record, stack, name, message)
        return self.get(identity)

    def publish(
        self, record: ContainerRecord, stage: Stage, name: str = "", message: str = ""
    ) -> SnapshotRecord:
        """Makes a layer of a copy of a container's upper: the stage's diff. The container stays as it is.

        Raises as `freeze`, but asks nothing of the container's state.
        """
        wanted = check_snapshot_name(name) if name else ""
        _check_depth(record)
        try:
            layer = self._layers.measured(stage, os.urandom(32).hex(), DiffId(""))
            with self._database.write(durable=True, doing=_DOING) as transaction:
                _stack_of(transaction, record.id)
                _check_free(transaction, wanted)
                self._layers.publish(transaction, stage, layer)
                stack = make_stack(transaction, (*record.layer_keys, layer.key))
                identity = self._insert(transaction, record, stack, wanted, message)
        except OSError as problem:
            raise from_os(self._root.path, _DOING, problem) from problem
        return self.get(identity)

    def _insert(
        self, transaction: Transaction, record: ContainerRecord, stack: int, name: str, message: str
    ) -> str:
        identity, now = os.urandom(32).hex(), self._clock()
        settings = json.dumps(record.settings, separators=(",", ":"))
        about = (identity, name, record.id, record.image_id, stack, settings, message, now, now)
        transaction.run(
            f"INSERT INTO snapshots ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*about, record.image_layers),
        )
        return identity

    def restore(self, container_id: str, snapshot_id: str) -> ContainerRecord:
        """Throws a stopped container's upper away and puts it on a snapshot's stack, with a fresh upper.

        Its settings and name stay. All or nothing, on disk when it returns. Raises NoSuchContainer,
        NoSuchSnapshot, ContainerNotStopped, ContainerBusy, StoreFull.
        """
        with ContainerHold(self._containers.get(container_id)):
            check_stopped(self._containers.get(container_id))
            with UpperMove(self._database, self._owner, container_id) as move:

                def body(deletion: Deletion) -> None:
                    self._restore(deletion, move, container_id, snapshot_id)

                delete(self._database, body, "restoring a container")
        return self._containers.get(container_id)

    def _restore(self, deletion: Deletion, move: UpperMove, container_id: str, snapshot_id: str) -> None:
        transaction, deletion.sync_first = deletion.transaction, True
        found = transaction.row(
            "SELECT stack, image, image_layers FROM snapshots WHERE id = ?", (snapshot_id,)
        )
        if found is None:
            raise NoSuchSnapshot(snapshot_id)
        old = _stack_of(transaction, container_id)
        top = transaction.row(
            "SELECT layer FROM stack_layers WHERE stack = ? ORDER BY position DESC LIMIT 1", (found[0],)
        )
        deletion.in_trash.append(move.into_trash(transaction, self._root.diff(top[0]) if top else ""))
        transaction.run(
            "UPDATE containers SET stack = ?, image = ?, image_layers = ?, snapshot = ?,"
            f" {_UNMEASURED} WHERE id = ?",
            (*found, snapshot_id, container_id),
        )
        transaction.run("UPDATE snapshots SET last_used = ? WHERE id = ?", (self._clock(), snapshot_id))
        deletion.drop_stack(old)

    def remove(self, snapshot_id: str, force: bool = False) -> None:
        """Deletes a snapshot, and its layer unless something stands on it: the container goes on with it.

        Raises NoSuchSnapshot; without `force` SnapshotInUse if containers were forked from it or restored
        to it.
        """

        def body(deletion: Deletion) -> None:
            row = deletion.transaction.row("SELECT name FROM snapshots WHERE id = ?", (snapshot_id,))
            if row is None:
                raise NoSuchSnapshot(snapshot_id)
            used = users(deletion.transaction, snapshot_id)
            if used and not force:
                raise SnapshotInUse(row[0], snapshot_id, used)
            deletion.drop_snapshot(snapshot_id)

        delete(self._database, body, "removing a snapshot")

    def find(self, text: str) -> SnapshotRecord:
        """The snapshot of a full ID, a name, or the beginning of an ID: in this order.

        Raises NoSuchSnapshot, AmbiguousSnapshotId.
        """
        with self._database.snapshot() as database:
            return self._read(resolve(database, "snapshots", text, NoSuchSnapshot, AmbiguousSnapshotId), text)

    def get(self, snapshot_id: str) -> SnapshotRecord:
        """The snapshot of a full ID. Raises NoSuchSnapshot."""
        with self._database.snapshot():
            return self._read(snapshot_id, snapshot_id)

    def _read(self, identity: str, text: str) -> SnapshotRecord:
        row = self._database.row(f"SELECT {_COLUMNS} FROM snapshots WHERE id = ?", (identity,))
        if row is None:
            raise NoSuchSnapshot(text)
        return _record(row, read_stack(self._database, row[4]))

    def list(self) -> builtins.list[SnapshotRecord]:
        """All snapshots, the newest first."""
        with self._database.snapshot() as database:
            rows = database.rows(f"SELECT {_COLUMNS} FROM snapshots ORDER BY created_at DESC, id")
            stacks = read_stacks(database, (row[4] for row in rows))
        return [_record(row, stacks[row[4]]) for row in rows]


def users(rows: Database | Transaction, snapshot_id: str) -> list[str]:
    """The names of the containers that were forked from a snapshot or restored to it."""
    found = rows.rows("SELECT name FROM containers WHERE snapshot = ? ORDER BY name", (snapshot_id,))
    return [name for (name,) in found]


def _record(row: Row, layers: tuple[Layer, ...]) -> SnapshotRecord:
    identity, name, container, image, _, settings, message, created_at, last_used, own = row
    return SnapshotRecord(
        identity, name, container, image, json.loads(settings), message, created_at, last_used, layers, own
    )


def _check_depth(record: ContainerRecord) -> None:
    if len(record.layer_keys) >= MOST_LAYERS:
        raise StackTooDeep(record.name, len(record.layer_keys))


def _stack_of(transaction: Transaction, container_id: str) -> int:
    row = transaction.row("SELECT stack FROM containers WHERE id = ?", (container_id,))
    if row is None:
        raise NoSuchContainer(container_id)
    return int(row[0])


def _check_free(transaction: Transaction, name: str) -> None:
    row = transaction.row("SELECT id FROM snapshots WHERE name = ? AND name != ''", (name,))
    if row:
        raise SnapshotNameInUse(name, row[0])


def _looks(tree: str) -> tuple[int, int, int, bytes]:
    """Mode, owner and recorded owner of a tree's root: all that an empty upper can say."""
    found = os.stat(tree)
    record = os.getxattr(tree, XATTR) if XATTR in os.listxattr(tree) else b""
    return found.st_mode, found.st_uid, found.st_gid, record
