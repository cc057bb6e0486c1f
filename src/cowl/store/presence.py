"""Presence: do the directories' names equal the rows? Costs a listing each, no walk."""

from __future__ import annotations

import os

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.database import Database
    from cowl.store.root_directory import RootDirectory
    from cowl.store.rows import Rows
    from cowl.store.transaction import Transaction

LAYER, CONTAINER, CACHE, VOLUME = "layer", "container", "cache", "volume"
_QUERIES = {
    LAYER: "SELECT 1 FROM layers WHERE key = ?",
    # a row comes before its directory, as long as somebody makes it
    CONTAINER: "SELECT state != 'created' OR owner IS NULL FROM containers WHERE id = ?",
    CACHE: "SELECT 1 FROM cache_mounts WHERE id = ?",
    VOLUME: "SELECT 1 FROM volumes WHERE name = ?",
}


class Presence(Value):
    """What is not as the rows say: (kind, name) pairs; kinds are LAYER, CONTAINER, CACHE and VOLUME.

    missing    has a row and no directory
    strangers  has a directory and no row
    """

    missing: tuple[tuple[str, str], ...] = ()
    strangers: tuple[tuple[str, str], ...] = ()


def presence(database: Database, rows: Rows) -> Presence:
    """Compares names; what differs is looked at again under the lock, when nobody is at work on it."""
    known = {
        LAYER: {layer.key for layer in rows.layers},
        CONTAINER: {row.id for row in rows.containers},
        CACHE: {row.id for row in rows.cache_mounts},
        VOLUME: {row.name for row in rows.volumes},
    }
    differing = []
    for kind, names in known.items():
        there = set(os.listdir(parent(database.root, kind)))
        differing += [(kind, name) for name in sorted(names ^ there)]
    if not differing:
        return Presence()
    with database.write(doing="comparing directories with rows") as transaction:
        return _confirmed(database.root, transaction, differing)


def _confirmed(root: RootDirectory, transaction: Transaction, differing: list[tuple[str, str]]) -> Presence:
    missing, strangers = [], []
    for kind, name in differing:
        row = transaction.row(_QUERIES[kind], (name,))
        there = os.path.lexists(f"{parent(root, kind)}/{name}")
        if row and row[0] and not there:
            missing.append((kind, name))
        elif there and not row:
            strangers.append((kind, name))
    return Presence(tuple(missing), tuple(strangers))


def parent(root: RootDirectory, kind: str) -> str:
    """The directory that holds those of a kind."""
    places = {LAYER: root.layers, CONTAINER: root.containers, CACHE: root.caches, VOLUME: root.volumes}
    return places[kind]
