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
    known = _known(transaction, {key for layers in changes for key in layers})
    for layers, amount in changes.items():
        if layers in known:
            _grow(transaction, known[layers], amount)
        elif any(amount):
            _insert(transaction, layers, amount)
    transaction.run("DELETE FROM shared_inodes WHERE inodes = 0")


def leave(transaction: Transaction, key: str) -> None:
    """Takes a layer that goes out of its sets: one layer alone shares nothing, equal sets become one."""
    left = [row[0] for row in transaction.rows(_OF_LAYER, (key,))]
    transaction.run("DELETE FROM shared_inode_layers WHERE layer = ?", (key,))
    for shared in left:
        layers = frozenset(row[0] for row in transaction.rows(_LAYERS, (shared,)))
        if len(layers) > 1:
            twin = _twin(transaction, layers, shared)
            if not twin:
                continue
            amount = transaction.row(_AMOUNT, (shared,))
            assert amount is not None
            _grow(transaction, twin, (amount[0], amount[1], amount[2]))
        transaction.run("DELETE FROM shared_inodes WHERE id = ?", (shared,))


_OF_LAYER = "SELECT shared FROM shared_inode_layers WHERE layer = ?"
_LAYERS = "SELECT layer FROM shared_inode_layers WHERE shared = ?"
_AMOUNT = "SELECT inodes, size_bytes, allocated_bytes FROM shared_inodes WHERE id = ?"


def _known(transaction: Transaction, keys: Iterable[str]) -> dict[Layers, int]:
    """The rows that any of these layers is in, by their layers."""
    found: dict[int, set[str]] = {}
    for key in keys:
        for shared, layer in transaction.rows(
            f"SELECT shared, layer FROM shared_inode_layers WHERE shared IN ({_OF_LAYER})", (key,)
        ):
            found.setdefault(shared, set()).add(layer)
    return {frozenset(layers): shared for shared, layers in found.items()}


def _twin(transaction: Transaction, layers: Layers, other_than: int) -> int:
    found: dict[int, set[str]] = {}
    for shared, layer in transaction.rows(
        f"SELECT shared, layer FROM shared_inode_layers WHERE shared IN ({_OF_LAYER})", (min(layers),)
    ):
        found.setdefault(shared, set()).add(layer)
    return next((shared for shared, of in found.items() if shared != other_than and of == layers), 0)


def _grow(transaction: Transaction, shared: int, amount: Amount) -> None:
    transaction.run(
        "UPDATE shared_inodes SET inodes = inodes + ?, size_bytes = size_bytes + ?,"
        " allocated_bytes = allocated_bytes + ? WHERE id = ?",
        (*amount, shared),
    )


def _insert(transaction: Transaction, layers: Layers, amount: Amount) -> None:
    shared = transaction.insert(
        "INSERT INTO shared_inodes (inodes, size_bytes, allocated_bytes) VALUES (?, ?, ?)", amount
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
    known = _known(transaction, wanted)
    others = {key for layers in known for key in layers} - wanted
    found = count(root, sorted(wanted), sorted(others))
    for shared in known.values():
        transaction.run("DELETE FROM shared_inodes WHERE id = ?", (shared,))
    for layers, amount in found.items():
        _insert(transaction, layers, amount)
