"""Shared inodes: what layers have in common on the disk since a dedupe, as rows and as it is.

A row for each exact set of layers. The rows of `layers` keep what each layer's directory shows.
"""

from __future__ import annotations

from stat import S_ISREG

from cowl.layer.walk import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from cowl.store.root_directory import RootDirectory
    from cowl.store.transaction import Transaction

    Layers: TypeAlias = "frozenset[str]"
    Amount: TypeAlias = "tuple[int, int, int]"  # inodes, apparent bytes, bytes on disk

_BLOCK = 512  # of st_blocks, stat(2)


def add(transaction: Transaction, changes: Mapping[Layers, Amount]) -> None:
    """Adds to, or with negative amounts takes from, the rows of these exact sets of two layers or more."""
    for layers, amount in changes.items():
        shared = _find(transaction, layers)
        if not shared:
            if any(amount):
                _insert(transaction, layers, amount)
            continue
        _grow(transaction, shared, amount)
        transaction.run("DELETE FROM shared_inodes WHERE id = ? AND inodes = 0", (shared,))


def leave(transaction: Transaction, key: str) -> None:
    """Takes a layer that goes out of its sets: one layer alone shares nothing, equal sets become one."""
    left = [row[0] for row in transaction.rows(_OF_LAYER, (key,))]
    transaction.run(
        f"UPDATE shared_inodes SET mark = (mark - ?) & {_MARKS} WHERE id IN ({_OF_LAYER})", (_mark(key), key)
    )
    transaction.run("DELETE FROM shared_inode_layers WHERE layer = ?", (key,))
    for shared in left:
        layers = _layers(transaction, shared)
        if len(layers) > 1:
            twin = _find(transaction, layers, other_than=shared)
            if not twin:
                continue
            amount = transaction.row(_AMOUNT, (shared,))
            assert amount is not None
            _grow(transaction, twin, (amount[0], amount[1], amount[2]))
        transaction.run("DELETE FROM shared_inodes WHERE id = ?", (shared,))


_OF_LAYER = "SELECT shared FROM shared_inode_layers WHERE layer = ?"
_AMOUNT = "SELECT inodes, size_bytes, allocated_bytes FROM shared_inodes WHERE id = ?"
_MARKS = (1 << 62) - 1
_MARK_DIGITS = 15


def _mark(*keys: str) -> int:
    """What a set of layers is found by. A sum, so that a layer can leave; sets with the same one are rare."""
    return sum(int(key[:_MARK_DIGITS], 16) for key in keys) & _MARKS


def _find(transaction: Transaction, layers: Layers, other_than: int = 0) -> int:
    """The row of exactly these layers, 0 if there is none."""
    rows = transaction.rows("SELECT id FROM shared_inodes WHERE mark = ?", (_mark(*layers),))
    found = (row[0] for row in rows if row[0] != other_than)
    return next((shared for shared in found if _layers(transaction, shared) == layers), 0)


def _layers(transaction: Transaction, shared: int) -> Layers:
    rows = transaction.rows("SELECT layer FROM shared_inode_layers WHERE shared = ?", (shared,))
    return frozenset(row[0] for row in rows)


def _grow(transaction: Transaction, shared: int, amount: Amount) -> None:
    transaction.run(
        "UPDATE shared_inodes SET inodes = inodes + ?, size_bytes = size_bytes + ?,"
        " allocated_bytes = allocated_bytes + ? WHERE id = ?",
        (*amount, shared),
    )


def _insert(transaction: Transaction, layers: Layers, amount: Amount) -> None:
    shared = transaction.insert(
        "INSERT INTO shared_inodes (inodes, size_bytes, allocated_bytes, mark) VALUES (?, ?, ?, ?)",
        (*amount, _mark(*layers)),
    )
    for key in sorted(layers):
        transaction.run("INSERT INTO shared_inode_layers VALUES (?, ?)", (shared, key))


def count(root: RootDirectory, layers: Iterable[str], others: Iterable[str] = ()) -> dict[Layers, Amount]:
    """What lies on the disk: the inodes that `layers` share with each other or with `others`.

    Walks them all. A layer without a directory shares nothing.
    """
    found: dict[int, tuple[set[str], int, int]] = {}
    for keys, fresh in ((layers, True), (others, False)):
        for key in keys:
            _look(root.diff(key), key, found, fresh=fresh)
    amounts: dict[Layers, Amount] = {}
    for of, size, allocated in found.values():
        if len(of) > 1:
            inodes, sizes, blocks = amounts.get(frozenset(of), (0, 0, 0))
            amounts[frozenset(of)] = (inodes + 1, sizes + size, blocks + allocated)
    return amounts


def _look(tree: str, key: str, found: dict[int, tuple[set[str], int, int]], *, fresh: bool) -> None:
    try:
        for _, _, status, _ in walk(tree, order=None):
            if status.st_nlink > 1 and S_ISREG(status.st_mode):
                if status.st_ino in found:
                    found[status.st_ino][0].add(key)
                elif fresh:
                    found[status.st_ino] = ({key}, status.st_size, status.st_blocks * _BLOCK)
    except FileNotFoundError:
        return


def recount(transaction: Transaction, root: RootDirectory, keys: Iterable[str]) -> None:
    """Makes the rows of all sets that these layers are in say what lies on the disk. Walks them."""
    wanted = set(keys)
    known = {row[0] for key in wanted for row in transaction.rows(_OF_LAYER, (key,))}
    others = {layer for shared in known for layer in _layers(transaction, shared)} - wanted
    found = count(root, sorted(wanted), sorted(others))
    for shared in known:
        transaction.run("DELETE FROM shared_inodes WHERE id = ?", (shared,))
    for layers, amount in found.items():
        _insert(transaction, layers, amount)
