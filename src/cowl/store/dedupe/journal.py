"""The journal of a dedupe: what it is about to touch, on disk before it does.

A row says how a directory of a layer is to look. While there is one, that layer's shared inodes may not be
what the rows say: whoever finds it and no owner restores the directory and counts.
"""

from __future__ import annotations

import os

from cowl.layer.paths import open_inside, open_tree
from cowl.linux.files import syncfs
from cowl.store.dedupe.relinking import Folder, restore
from cowl.store.shared_inodes import recount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cowl.store.dedupe.inodes import Merge
    from cowl.store.root_directory import RootDirectory
    from cowl.store.transaction import Transaction

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


def note(transaction: Transaction, root: RootDirectory, owner: str, merges: Iterable[Merge]) -> None:
    """Writes down the directories that these merges touch, and all layers that they concern.

    A directory that is on record already keeps its row: it may not have been restored yet.
    """
    wanted: dict[tuple[str, bytes], None] = {}
    for merge in merges:
        for layer, _, _ in (*merge.kept.names, *merge.old.names):
            wanted[layer, b""] = None
        for layer, directory, _ in merge.old.names:
            wanted[layer, directory] = None
    for layer, path in wanted:
        if transaction.row("SELECT 1 FROM relinked_directories WHERE layer = ? AND path = ?", (layer, path)):
            continue
        try:
            folder = Folder(root, layer, path)
        except OSError:
            continue  # gone or altered by hand: relinking will find that too
        folder.close()
        values = (layer, path, folder.mode, folder.mtime_ns, owner)
        transaction.run("INSERT INTO relinked_directories VALUES (?, ?, ?, ?, ?)", values)


def forget(transaction: Transaction, owner: str) -> None:
    """Drops the rows of one owner: all that it did is on disk."""
    transaction.run("DELETE FROM relinked_directories WHERE owner = ?", (owner,))


def settle(transaction: Transaction, root: RootDirectory, which: str, values: Sequence[object] = ()) -> None:
    """Finishes what was interrupted at any point, of the rows that `which` (an SQL condition) chooses.

    The directories get their times, and the rows of shared inodes say what lies on the disk.
    """
    rows = transaction.rows(f"SELECT layer, path, mode, mtime_ns FROM relinked_directories {which}", values)
    if not rows:
        return
    for layer, path, mode, mtime_ns in rows:
        _restore(root.diff(layer), bytes(path), mode, mtime_ns)
    layers = {row[0] for row in rows}
    recount(transaction, root, layers)
    for layer in layers:
        _measure(transaction, root, layer)
    _sync(root)
    transaction.run(f"DELETE FROM relinked_directories {which}", values)


def _measure(transaction: Transaction, root: RootDirectory, layer: str) -> None:
    """A file that took another's place may take other blocks (sparse, fragmented), and nothing else."""
    from cowl.layer.measure import measure_layer

    try:
        found = measure_layer(root.layer(layer))
    except FileNotFoundError:
        return
    transaction.run(
        "UPDATE layers SET allocated_bytes = ? WHERE key = ? AND size_bytes = ? AND files = ?",
        (found.allocated_bytes, layer, found.size_bytes, found.files),
    )


def _restore(tree: str, path: bytes, mode: int, mtime_ns: int) -> None:
    try:
        tree_fd = open_tree(tree)
    except FileNotFoundError:
        return
    try:
        fd = open_inside(tree_fd, path, _DIRECTORY)
    except OSError:
        return
    finally:
        os.close(tree_fd)
    try:
        restore(fd, mode, mtime_ns)
    finally:
        os.close(fd)


def _sync(root: RootDirectory) -> None:
    fd = os.open(root.layers, _DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs(fd)
    finally:
        os.close(fd)
