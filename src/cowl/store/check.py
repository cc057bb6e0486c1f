"""Check: do the directories equal the rows, and the measures what was measured?"""

from __future__ import annotations

import os

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.database import Database
    from cowl.store.layers import Layer
    from cowl.store.root_directory import RootDirectory
    from cowl.store.rows import ContainerRow, Rows, VolumeRow


class Problem(Value):
    """One thing that is not as its row says.

    kind    "database", "layer", "container", "cache", "volume", "staging" or "trash"
    name    key or ID, or SQLite's own words
    what    in words
    """

    kind: str
    name: str
    what: str


def check(database: Database, rows: Rows) -> list[Problem]:
    """All problems found; walks every layer. Run it while nothing else works in the store."""
    root = database.root
    return [
        *_check_database(database),
        *_check_names("layer", root.layers, {layer.key for layer in rows.layers}),
        *_check_names("container", root.containers, {row.id for row in rows.containers}),
        *_check_names("cache", root.caches, {row.id for row in rows.cache_mounts}),
        *_check_names("volume", root.volumes, {row.name for row in rows.volumes}),
        *(problem for layer in rows.layers for problem in _check_layer(root, layer)),
        *(problem for row in rows.containers for problem in _check_container(root, row)),
        *(problem for row in rows.volumes for problem in _check_volume(root, row)),
        *_check_shared(root, rows),
        *_check_staging(database),
        *(Problem("trash", name, "was not removed") for name in sorted(os.listdir(root.trash))),
    ]


def _check_database(database: Database) -> list[Problem]:
    said = [row[0] for row in database.rows("PRAGMA integrity_check") if row[0] != "ok"]
    loose = database.rows("PRAGMA foreign_key_check")
    return [
        *(Problem("database", text, "fails the integrity check") for text in said),
        *(Problem("database", f"{row[0]} {row[1]}", f"refers to a missing row of {row[2]}") for row in loose),
    ]


def _check_names(kind: str, directory: str, rows: set[str]) -> list[Problem]:
    there = set(os.listdir(directory))
    return [
        *(Problem(kind, name, "has a row but no directory") for name in sorted(rows - there)),
        *(Problem(kind, name, "has a directory but no row") for name in sorted(there - rows)),
    ]


def _check_layer(root: RootDirectory, layer: Layer) -> list[Problem]:
    from cowl.layer.measure import measure_layer

    directory = root.layer(layer.key)
    if not os.path.isdir(directory):
        return []
    found = measure_layer(directory)
    return [
        Problem("layer", layer.key, f"{name} is {now}, recorded was {then}")
        for name, now, then in (
            ("size_bytes", found.size_bytes, layer.size_bytes),
            ("allocated_bytes", found.allocated_bytes, layer.allocated_bytes),
            ("files", found.files, layer.files),
            ("whiteouts", found.whiteouts, layer.whiteouts),
        )
        if now != then
    ]


def _check_container(root: RootDirectory, row: ContainerRow) -> list[Problem]:
    """An upper's figures hold once it has come to rest."""
    from cowl.store.disk import is_settled, measure_container

    if not os.path.isdir(root.container(row.id)):
        return []
    if not os.path.isdir(f"{root.container(row.id)}/upper"):
        return [Problem("container", row.id, "has no upper")]
    if not is_settled(row):
        return []
    found = measure_container(root, row)
    return [
        Problem("container", row.id, f"{name} is {now}, recorded was {then}")
        for name, now, then in (
            ("size_bytes", found.size_bytes, row.size_bytes),
            ("allocated_bytes", found.allocated_bytes, row.allocated_bytes),
            ("overhead_bytes", found.overhead_bytes, row.overhead_bytes),
        )
        if now != then
    ]


def _check_volume(root: RootDirectory, row: VolumeRow) -> list[Problem]:
    """Its figures hold as long as nobody but containers writes to it."""
    from cowl.store.disk import measure_volume

    if not os.path.isdir(root.volume(row.name)):
        return []
    if not os.path.isdir(root.volume_data(row.name)):
        return [Problem("volume", row.name, "has no data")]
    size, allocated = measure_volume(root, row.name)
    if not row.measured_at or (size, allocated) == (row.size_bytes, row.allocated_bytes):
        return []
    told = f"{size} bytes, {allocated} on disk, recorded were {row.size_bytes} and {row.allocated_bytes}"
    return [Problem("volume", row.name, f"is {told}")]


def _check_shared(root: RootDirectory, rows: Rows) -> list[Problem]:
    """The inodes that layers share, as recorded by exact set of layers."""
    from cowl.store.shared_inodes import count

    recorded = {
        frozenset(shared.layer_keys): (shared.inodes, shared.size_bytes, shared.allocated_bytes)
        for shared in rows.shared_inodes
    }
    found = count(root, [layer.key for layer in rows.layers])
    return [
        Problem(
            "layer",
            min(layers),
            "(inodes, size_bytes, allocated_bytes) shared with"
            f" {', '.join(sorted(layers)[1:])}: {found.get(layers)}, recorded was {recorded.get(layers)}",
        )
        for layers in sorted(found.keys() | recorded.keys(), key=sorted)
        if found.get(layers) != recorded.get(layers)
    ]


def _check_staging(database: Database) -> list[Problem]:
    owners = {row[0] for row in database.rows("SELECT id FROM owners")}
    names = sorted(set(os.listdir(database.root.staging)) - owners)
    return [Problem("staging", name, "belongs to no process") for name in names]
