"""Uppers on the move: into a layer when a container is frozen, into the trash when it is restored.

Such an upper is the only copy of what a container wrote, and for a moment no row speaks of the place
where it lies. So the move is announced in a row of its own, on disk before the first rename; the
transaction that renames also takes the announcement back. Whoever finds an announcement of a dead
process knows that its transaction never came to be, and where the upper has to go back from.
"""

from __future__ import annotations

import os

from cowl.linux.files import fsync_dir, remove_tree
from cowl.store.faults import StoreFull
from cowl.store.fresh_upper import dress_root
from cowl.store.garbage import trash_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from cowl.store.database import Database
    from cowl.store.owner import Owner
    from cowl.store.root_directory import RootDirectory
    from cowl.store.transaction import Row, Transaction

_KIND = "upper"  # in the names of the trash


class UpperMove:
    """One announced move; the `with` block is the time in which it may be made.

    layer  the key of the layer that the upper is to become, "" for the trash
    """

    def __init__(self, database: Database, owner: Owner, container: str, layer: str = "") -> None:
        self._database = database
        self._root = database.root
        self._owner = owner
        self._container = container
        self._layer = layer

    def __enter__(self) -> Self:
        with self._database.write(durable=True, doing="moving an upper") as transaction:
            owner = self._owner.register(transaction)
            transaction.run(
                "INSERT OR REPLACE INTO upper_moves VALUES (?, ?, ?)", (self._container, owner, self._layer)
            )
        return self

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        try:
            with self._database.write(doing="moving an upper") as transaction:
                if failure is not None:
                    self._withdraw(transaction)
                self._owner.leave(transaction)
        except StoreFull:
            pass  # everything is back in its place: the announcement means nothing, and goes with us

    def _withdraw(self, transaction: Transaction) -> None:
        transaction.run("DELETE FROM upper_moves WHERE container = ?", (self._container,))

    def into_layer(self, transaction: Transaction) -> str:
        """Renames the upper to `diff` of a new layer's directory, which it gives; a fresh one is there then.

        Everything is taken back if the transaction fails.
        """
        directory = self._root.layer(self._layer)
        transaction.undo(lambda: _take_back(os.rmdir, directory))
        os.mkdir(directory, 0o700)
        _move(transaction, self._upper, f"{directory}/diff")
        self._renew(transaction, f"{directory}/diff")
        for place in (directory, self._root.layers, os.path.dirname(self._upper)):
            fsync_dir(place)
        self._withdraw(transaction)
        return directory

    def into_trash(self, transaction: Transaction, below: str) -> str:
        """Renames the upper into the trash and gives its place there; the fresh one is dressed as `below`."""
        target = f"{self._root.trash}/{trash_name(_KIND, self._container)}"
        _move(transaction, self._upper, target)
        self._renew(transaction, below)
        for place in (self._root.trash, os.path.dirname(self._upper)):
            fsync_dir(place)
        self._withdraw(transaction)
        return target

    @property
    def _upper(self) -> str:
        return f"{self._root.container(self._container)}/upper"

    def _renew(self, transaction: Transaction, below: str) -> None:
        transaction.undo(lambda: _take_back(os.rmdir, self._upper))
        os.mkdir(self._upper, 0o755)
        dress_root(self._upper, below)


def _move(transaction: Transaction, source: str, target: str) -> None:
    transaction.undo(lambda: _take_back(os.rename, target, source))
    os.rename(source, target)


def _take_back(action: Callable[..., object], *paths: str) -> None:
    """Undoes what may not have happened: an interrupt comes between any two steps."""
    try:
        action(*paths)
    except FileNotFoundError:
        return


def undo_moves(transaction: Transaction, root: RootDirectory, is_alive: Callable[[str], bool]) -> None:
    """Brings the uppers home whose movers died: a part of recovery, under the lock."""
    rows: list[Row] = transaction.rows("SELECT container, owner, layer FROM upper_moves")
    for container, owner, layer in rows:
        if is_alive(owner):
            continue
        source = f"{root.layer(layer)}/diff" if layer else _in_trash(root, container)
        home = root.container(container)
        if source and os.path.isdir(source) and os.path.isdir(home):
            remove_tree(f"{home}/upper")  # the fresh one, which nobody ever saw
            os.rename(source, f"{home}/upper")
            fsync_dir(home)
        transaction.run("DELETE FROM upper_moves WHERE container = ?", (container,))


def _in_trash(root: RootDirectory, container: str) -> str:
    start = f"{_KIND}.{container}."
    return next((f"{root.trash}/{name}" for name in os.listdir(root.trash) if name.startswith(start)), "")
