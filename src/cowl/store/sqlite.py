"""SQLite without the standard library's wrapper, where that can be had.

`sqlite3` is `_sqlite3` and adapters for dates, which cowl does not use and which load `datetime`: 2 to
3 ms of every start. Where the inner module is missing or named otherwise, the public one serves.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import (
        SQLITE_AUTH,
        SQLITE_CANTOPEN,
        SQLITE_CORRUPT,
        SQLITE_FULL,
        SQLITE_IOERR,
        SQLITE_NOTADB,
        SQLITE_PERM,
        SQLITE_READONLY,
        Connection,
        Cursor,
        Error,
        connect,
    )
else:
    try:
        import _sqlite3 as found
    except ImportError:
        import sqlite3 as found
    SQLITE_AUTH, SQLITE_PERM, SQLITE_READONLY = found.SQLITE_AUTH, found.SQLITE_PERM, found.SQLITE_READONLY
    SQLITE_CANTOPEN, SQLITE_FULL, SQLITE_IOERR = found.SQLITE_CANTOPEN, found.SQLITE_FULL, found.SQLITE_IOERR
    SQLITE_CORRUPT, SQLITE_NOTADB = found.SQLITE_CORRUPT, found.SQLITE_NOTADB
    Connection, Cursor, Error, connect = found.Connection, found.Cursor, found.Error, found.connect

__all__ = [
    "SQLITE_AUTH",
    "SQLITE_CANTOPEN",
    "SQLITE_CORRUPT",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_NOTADB",
    "SQLITE_PERM",
    "SQLITE_READONLY",
    "Connection",
    "Cursor",
    "Error",
    "connect",
]
