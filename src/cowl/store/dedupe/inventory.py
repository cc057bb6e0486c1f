"""The inventory: the regular files of many layers, in a database of their own, to be asked for twins.

It holds millions of files in little memory: what does not fit into its cache goes to a file in staging/.
"""

from __future__ import annotations

import os
from stat import S_ISREG

from cowl.layer.walk import walk
from cowl.store import sqlite
from cowl.store.dedupe.inodes import Inode
from cowl.store.faults import from_sqlite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, Self

    from cowl.store.transaction import Row

_CACHE_KIB = 32 << 10
_ROWS = 1 << 10  # at a time
_TABLES = (
    "CREATE TABLE directories (id INTEGER PRIMARY KEY, layer INTEGER NOT NULL, path BLOB NOT NULL)",
    "CREATE TABLE files (seen INTEGER NOT NULL, inode INTEGER NOT NULL, layer INTEGER NOT NULL,"
    " size INTEGER NOT NULL, blocks INTEGER NOT NULL, links INTEGER NOT NULL, changed INTEGER NOT NULL,"
    " directory INTEGER NOT NULL, name BLOB NOT NULL)",
    "CREATE TABLE gone (inode INTEGER PRIMARY KEY)",
)
_INDEXES = (
    "CREATE INDEX files_by_look ON files (seen, inode, layer)",
    "CREATE INDEX files_by_size ON files (size, inode)",
)
_FILES = (
    "SELECT inode, size, blocks, links, changed, files.layer, path, name FROM files"
    " JOIN directories ON directories.id = directory WHERE {} = ?"
    " AND inode NOT IN (SELECT inode FROM gone) ORDER BY inode, files.layer, path, name"
)


class Inventory:
    """The files of layers that take blocks on disk. A `with` block.

    path    where its file may be made; gone with what lies around it
    layers  keys, oldest first
    """

    def __init__(self, root: str, path: str, layers: Sequence[str]) -> None:
        self._root = root
        self._layers = layers
        self._directories = 0
        self._connection = sqlite.connect(path, isolation_level=None, check_same_thread=False)
        self.files = 0
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            *_TABLES,
            "BEGIN",  # never ended: what fits into the cache is never written
        ):
            self._run(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._connection.close()

    def take(self, index: int, tree: str, device: int) -> None:
        """Adds the files of one layer, all on the file system `device`. Raises OSError."""
        directory = self._directory(index, "")
        inside = {"": directory}
        rows: list[Row] = []
        for parent, name, status, entered in walk(tree, order=None):
            if entered:
                inside[entered.path] = self._directory(index, entered.path)
            elif S_ISREG(status.st_mode) and status.st_blocks and status.st_dev == device:
                rows.append(_row(index, inside[parent.path], name, status))
                if len(rows) == _ROWS:
                    self._insert(rows)
        self._insert(rows)

    def _directory(self, layer: int, path: str) -> int:
        self._directories += 1
        values = (self._directories, layer, os.fsencode(path))
        self._run("INSERT INTO directories VALUES (?, ?, ?)", values)
        return self._directories

    def _insert(self, rows: list[Row]) -> None:
        try:
            self._connection.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        except sqlite.Error as problem:
            raise from_sqlite(self._root, "listing the files of layers", problem) from problem
        self.files += len(rows)
        rows.clear()

    def forget(self, index: int) -> None:
        """Drops the files of a layer that went while it was walked."""
        self._run("DELETE FROM files WHERE layer = ?", (index,))

    def lose(self, inodes: Iterable[int]) -> None:
        """Inodes that would be gone by now, were this not a dry run; `same_size` leaves them out."""
        for number in inodes:
            self._run("INSERT OR IGNORE INTO gone VALUES (?)", (number,))

    def close_lists(self) -> None:
        """To be called when all layers are in, before it is asked."""
        for statement in _INDEXES:
            self._run(statement)

    def alike(self) -> Iterator[list[Inode]]:
        """Inodes of the same size, mode, owner and time, in classes of two or more, of several layers."""
        sql = (
            "SELECT seen FROM files GROUP BY seen"
            " HAVING min(inode) < max(inode) AND min(layer) < max(layer) ORDER BY max(size) DESC, seen"
        )
        return self._classes(sql, "seen")

    def same_size(self, least: int) -> Iterator[list[Inode]]:
        """Inodes of the same size, at least `least` bytes, in classes of two or more."""
        sql = (
            f"SELECT size FROM files WHERE size >= {least} GROUP BY size"
            " HAVING min(inode) < max(inode) ORDER BY size DESC"
        )
        return self._classes(sql, "size")

    def _classes(self, sql: str, column: str) -> Iterator[list[Inode]]:
        values = self._run(sql)
        while found := values.fetchmany(_ROWS):
            for (value,) in found:
                yield self._inodes(self._run(_FILES.format(column), (value,)).fetchall())

    def _inodes(self, rows: list[Row]) -> list[Inode]:
        """Those of which all names are here; the oldest layer's first."""
        names: dict[int, list[Row]] = {}
        for row in rows:
            names.setdefault(row[0], []).append(row)
        whole = [found for found in names.values() if len(found) == found[0][3]]
        whole.sort(key=lambda found: found[0][5:])
        return [self._inode(found) for found in whole]

    def _inode(self, rows: list[Row]) -> Inode:
        number, size, blocks, links, ctime_ns = rows[0][:5]
        names = tuple((self._layers[row[5]], row[6], row[7]) for row in rows)
        return Inode(number, size, blocks, links, ctime_ns, names)

    def _run(self, sql: str, values: Sequence[Any] = ()) -> sqlite.Cursor:
        try:
            return self._connection.execute(sql, values)
        except sqlite.Error as problem:
            raise from_sqlite(self._root, "listing the files of layers", problem) from problem


def _row(layer: int, directory: int, name: str, status: os.stat_result) -> Row:
    look = hash((status.st_size, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns))
    return (
        look,
        status.st_ino,
        layer,
        status.st_size,
        status.st_blocks,
        status.st_nlink,
        status.st_ctime_ns,
        directory,
        os.fsencode(name),
    )
