"""Garbage: deleting rows and directories as one, and what nobody refers to any more.

Under the database's lock the directories of `layers/` and `containers/` always equal the rows: a
deletion renames into `trash/` inside its transaction (a rollback renames back), commits, and only
then unlinks. The rows are on disk before the first byte of a layer is unlinked.
"""

from __future__ import annotations

import os

from cowl.linux.files import remove_tree
from cowl.linux.process import ProcessId
from cowl.store.event_log import KILLED, container_event, end_events
from cowl.store.faults import StoreFull, from_os
from cowl.store.reserve import hold_reserve, release_reserve
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from cowl.store.database import Database
    from cowl.store.root_directory import RootDirectory
    from cowl.store.transaction import Transaction

    T = TypeVar("T")

_UNREFERENCED = (
    " NOT EXISTS (SELECT 1 FROM stack_layers WHERE layer = layers.key)"
    " AND NOT EXISTS (SELECT 1 FROM steps WHERE layer = layers.key)"
    " AND NOT EXISTS (SELECT 1 FROM pins WHERE layer = layers.key)"
)
_UNUSED_STACK = (
    " NOT EXISTS (SELECT 1 FROM images WHERE stack = stacks.id)"
    " AND NOT EXISTS (SELECT 1 FROM containers WHERE stack = stacks.id)"
    " AND NOT EXISTS (SELECT 1 FROM snapshots WHERE stack = stacks.id)"
)


class Dropped(Value):
    """A layer whose last reference went: its directory is on its way out."""

    key: str
    diff_id: str
    size_bytes: int
    allocated_bytes: int


class Deletion:
    """One deletion in the making: rows go through `transaction`, directories through `discard`."""

    def __init__(self, transaction: Transaction, root: RootDirectory) -> None:
        self.transaction = transaction
        self._root = root
        self.in_trash: list[str] = []
        self.dropped: list[Dropped] = []
        self.sync_first = False  # the rows are to be on disk before anything is unlinked, whatever that is

    def discard(self, kind: str, name: str, source: str) -> None:
        """Renames a directory into the trash; back if the transaction fails. Missing is fine."""
        target = f"{self._root.trash}/{trash_name(kind, name)}"
        self.transaction.undo(lambda: _rename(target, source))
        if _rename(source, target):
            self.in_trash.append(target)

    def drop_container(self, identity: str, *, volumes: bool | None = None, exit_code: int = KILLED) -> None:
        """Deletes a container's row and directory, and its stack if it was the last to use it.

        volumes    whether its anonymous volumes go too; None: if it was to be removed at its end
        exit_code  of its run, if the end of that is not recorded
        """
        found = self.transaction.row(
            "SELECT stack, auto_remove, EXISTS (SELECT 1 FROM container_volumes WHERE container = id)"
            " FROM containers WHERE id = ?",
            (identity,),
        )
        going = found is not None and found[2] and (found[1] if volumes is None else volumes)
        mine = self._volumes_of(identity) if going else ()
        end_events(self.transaction, identity, exit_code, volumes=bool(found and found[2]))
        container_event(self.transaction, identity, "destroy")
        self.transaction.run("DELETE FROM containers WHERE id = ?", (identity,))
        self.discard("container", identity, self._root.container(identity))
        if found:
            self.drop_stack(found[0])
        for name in mine:
            self.drop_volume(name)

    def _volumes_of(self, container: str) -> Sequence[str]:
        from cowl.store.volumes import anonymous_of

        return anonymous_of(self.transaction, container)

    def drop_volume(self, name: str) -> None:
        """Deletes a volume with what is in it. Raises VolumeInUse while a container has it."""
        from cowl.store.volumes import drop_volume

        drop_volume(self, name, self._root.volume(name))

    def drop_snapshot(self, identity: str) -> None:
        """Deletes a snapshot's row, and its stack if it was the last to use it."""
        found = self.transaction.row("SELECT stack FROM snapshots WHERE id = ?", (identity,))
        self.transaction.run("DELETE FROM snapshots WHERE id = ?", (identity,))
        self.transaction.run("UPDATE containers SET snapshot = '' WHERE snapshot = ?", (identity,))
        if found:
            self.drop_stack(found[0])

    def drop_step(self, key: str) -> None:
        """Forgets a cached step, and its layer if nothing else needs it."""
        found = self.transaction.row("SELECT layer FROM steps WHERE key = ?", (key,))
        self.transaction.run("DELETE FROM steps WHERE key = ?", (key,))
        if found and found[0]:
            self.drop_unreferenced(found)

    def drop_cache(self, identity: str) -> None:
        """Deletes a cache mount's row and directory; whoever calls holds its lock."""
        self.transaction.run("DELETE FROM cache_mounts WHERE id = ?", (identity,))
        self.discard("cache", identity, self._root.cache(identity))

    def drop_stack(self, stack: int) -> None:
        """Deletes a stack that nobody uses (any more), and the layers that this leaves alone."""
        layers = self.transaction.rows(
            "SELECT layer FROM stack_layers WHERE stack = ? ORDER BY position DESC", (stack,)
        )
        if drop_unused_stack(self.transaction, stack):
            self.drop_unreferenced(row[0] for row in layers)

    def drop_unreferenced(self, keys: Iterable[str]) -> None:
        """Deletes those of the layers that no stack, step or lease refers to."""
        for key in keys:
            row = self.transaction.row(
                "SELECT key, diff_id, size_bytes, allocated_bytes FROM layers"
                f" WHERE key = ? AND {_UNREFERENCED}",
                (key,),
            )
            if row:
                self._drop_layer(Dropped(*row))

    def drop_all_unreferenced(self) -> None:
        """The same for all stacks and layers of the store."""
        for (stack,) in self.transaction.rows(f"SELECT id FROM stacks WHERE {_UNUSED_STACK}"):
            self.drop_stack(stack)
        found = self.transaction.rows(f"SELECT key FROM layers WHERE {_UNREFERENCED}")
        self.drop_unreferenced(row[0] for row in found)

    def layer_bytes(self, keys: Iterable[str]) -> int:
        """Blocks on disk that these layers give back: those of an inode only with the last that has it."""
        going = frozenset(keys)
        rows = self.transaction.rows("SELECT key, allocated_bytes FROM layers")
        total: int = sum(size for key, size in rows if key in going)
        groups: dict[int, tuple[int, set[str]]] = {}
        for shared, size, layer in self.transaction.rows(
            "SELECT id, allocated_bytes, layer FROM shared_inode_layers JOIN shared_inodes ON id = shared"
        ):
            groups.setdefault(shared, (size, set()))[1].add(layer)
        for size, layers in groups.values():
            counted = len(layers & going)
            total -= size * (counted - (layers <= going))
        return total

    def _drop_layer(self, layer: Dropped) -> None:
        if self.transaction.row("SELECT 1 FROM shared_inode_layers WHERE layer = ?", (layer.key,)):
            from cowl.store.shared_inodes import leave

            leave(self.transaction, layer.key)
        self.transaction.run("DELETE FROM layers WHERE key = ?", (layer.key,))
        self.transaction.run(
            "DELETE FROM blobs WHERE diff_id = ?1 AND NOT EXISTS (SELECT 1 FROM layers WHERE diff_id = ?1)",
            (layer.diff_id,),
        )
        self.discard("layer", layer.key, self._root.layer(layer.key))
        self.dropped.append(layer)


def drop_unused_stack(transaction: Transaction, stack: int) -> int:
    """Deletes a stack's row if nobody uses it (any more): how many it were. Its layers stay."""
    return transaction.run(f"DELETE FROM stacks WHERE id = ? AND {_UNUSED_STACK}", (stack,))


def delete(
    database: Database,
    body: Callable[[Deletion], T],
    doing: str = "deleting",
    unlink: Callable[[str], object] = remove_tree,
) -> T:
    """Runs `body` as one deletion and gives what it returns. All of it happens, or nothing.

    `unlink` is called with the path of everything that went into the trash, once the rows are gone.
    On a full disk it is run a second time with the reserve released: a store can always delete.
    """
    try:
        try:
            return _delete_once(database, body, doing, unlink)
        except StoreFull:
            if not release_reserve(database.root.reserve):
                raise
        return _delete_once(database, body, doing, unlink)
    finally:
        hold_reserve(database.root.reserve)


def _delete_once(
    database: Database, body: Callable[[Deletion], T], doing: str, unlink: Callable[[str], object]
) -> T:
    root = database.root
    try:
        with database.write(doing=doing) as transaction:
            deletion = Deletion(transaction, root)
            result = body(deletion)
        if deletion.dropped or deletion.sync_first:
            database.sync()
        for path in deletion.in_trash:
            unlink(path)
    except OSError as problem:
        raise from_os(root.path, doing, problem) from problem
    return result


def trash_name(kind: str, name: str) -> str:
    """A fresh name in the trash that says what it was and whose work it is to unlink it."""
    process = ProcessId.current()
    return f"{kind}.{name}.{process.pid}.{process.start_time}.{os.urandom(4).hex()}"


def trashed(path: str) -> tuple[str, str]:
    """The (kind, name) of what lies at a path that `trash_name` made."""
    kind, _, rest = os.path.basename(path).partition(".")
    return kind, rest.rsplit(".", 3)[0]


def _rename(source: str, target: str) -> bool:
    try:
        os.rename(source, target)
    except FileNotFoundError:
        return False
    return True
