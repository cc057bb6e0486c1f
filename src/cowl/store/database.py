"""The database: one SQLite connection a process, safe with threads, forks and other processes.

SQLite's WAL before 3.51.3 can corrupt when several connections write and checkpoint at once
(https://sqlite.org/wal.html, "The WAL-reset bug"). So every transaction that writes, and every
checkpoint, runs under one exclusive flock(2), and nothing checkpoints by itself.
"""

from __future__ import annotations

import fcntl
import os
import time
from _thread import RLock

from cowl.store import schema, sqlite
from cowl.store.faults import StoreTooNew, from_os, from_sqlite
from cowl.store.reserve import release_reserve
from cowl.store.root_directory import RootDirectory
from cowl.store.transaction import Snapshot, Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from cowl.store.transaction import Row

_BUSY_SECONDS = 30.0
_NO_CHECKPOINT_ON_CLOSE = 1006  # SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE
_PAGE_BYTES = 1024  # a container's life changes some twenty pages, and the WAL takes each one whole


class Database:
    """Rows in, rows out. Reads see a consistent state; `write()` gives a transaction.

    mutex, depth, lock_fd and connection are for Snapshot and Transaction alone.
    """

    def __init__(self, root: RootDirectory, clock: Callable[[], float] = time.time) -> None:
        self.root = root
        self.clock = clock
        self._forked: Callable[[], None] | None = None
        self._open()

    def when_forked(self, action: Callable[[], None]) -> None:
        """Has `action` run in a forked child, before its first use of the database."""
        self._forked = action

    @property
    def is_foreign(self) -> bool:
        """Whether this is a forked child that has not used it yet."""
        return self.pid != os.getpid()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self.lock_fd < 0

    def _open(self) -> None:
        """Connects, in this process: also the second time, after a fork."""
        self.mutex = RLock()
        self.depth = 0
        self.lock_fd = -1
        self.pid = os.getpid()
        try:
            self.lock_fd = os.open(self.root.database_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.connection = self._connect()
        except OSError as problem:
            raise from_os(self.root.path, "opening its locks", problem) from problem
        except BaseException:
            os.close(self.lock_fd)
            raise

    def _connect(self) -> sqlite.Connection:
        try:
            return self._try_connect()
        except sqlite.Error as problem:
            failure = from_sqlite(self.root.path, "opening its database", problem)
            if not release_reserve(self.root.reserve):
                raise failure from problem
        try:
            return self._try_connect()
        except sqlite.Error as problem:
            raise from_sqlite(self.root.path, "opening its database", problem) from problem

    def _try_connect(self) -> sqlite.Connection:
        connection = sqlite.connect(
            self.root.database,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > schema.VERSION:
            raise StoreTooNew(self.root.path, version, schema.VERSION)
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        if version < schema.VERSION:
            self._lift(connection)

    def _lift(self, connection: sqlite.Connection) -> None:
        """Makes the tables or changes older ones, unless another process did while we waited for the lock."""
        self.root.make()  # a later version may have directories that an earlier one lacks
        fcntl.flock(self.lock_fd, fcntl.LOCK_EX)
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version < schema.VERSION:
                for statement in schema.statements(version):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {schema.VERSION}")
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA synchronous = NORMAL")
        finally:
            fcntl.flock(self.lock_fd, fcntl.LOCK_UN)

    def after_fork(self) -> bool:
        """In a forked child: leaves the parent's connection alone and opens its own; True if it did.

        A connection must be neither used nor closed in a child (https://sqlite.org/howtocorrupt.html).
        """
        if not self.is_foreign:
            return False
        _never_close(self.connection)
        os.close(self.lock_fd)
        self._open()
        if self._forked:
            self._forked()
        return True

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        self.after_fork()
        with self.mutex:
            try:
                return self.connection.execute(sql, values).fetchall()
            except sqlite.Error as problem:
                raise from_sqlite(self.root.path, "reading its database", problem) from problem

    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def snapshot(self) -> Snapshot:
        """A context in which several reads of this thread see one and the same state."""
        self.after_fork()
        return Snapshot(self)

    def write(self, *, durable: bool = False, doing: str = "writing its database") -> Transaction:
        """A transaction as a context: committed at its end, rolled back if an exception leaves it.

        `durable`: on disk, with all before it, when the context ends (synchronous=FULL); otherwise it
        survives a crash of the process but perhaps not of the machine. An OSError that leaves the block
        comes out typed.
        """
        self.after_fork()
        return Transaction(self, durable, doing)

    def sync(self) -> None:
        """Puts all that was committed so far on disk: fsync(2) of the WAL. Raises OSError."""
        with self.mutex:
            fd = os.open(self.root.database + "-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Closes the connection. Idempotent. Files stay as they are, and figures taken before true."""
        if self.is_foreign or self.is_closed:
            return
        with self.mutex:
            try:
                _close_as_it_is(self.connection, self.root.database)
            finally:
                os.close(self.lock_fd)
                self.lock_fd = -1


def _close_as_it_is(connection: sqlite.Connection, path: str) -> None:
    """Closes a connection without a checkpoint, which its being the last one would bring: two fsyncs.

    Before Python 3.12 SQLite can't be told so. But it checkpoints only if it can lock the database
    exclusively, and a connection that was opened read-only can't: so such a one is the last.
    """
    if hasattr(connection, "setconfig"):
        connection.setconfig(_NO_CHECKPOINT_ON_CLOSE, True)
        connection.close()
        return
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        last = sqlite.connect(f"file:{quoted}?mode=ro", uri=True, check_same_thread=False)
    except sqlite.Error:
        connection.close()
        return
    try:
        last.execute("PRAGMA user_version").fetchone()
    except sqlite.Error:
        pass  # then the files are beyond saving anyway
    finally:
        connection.close()
        last.close()


def _never_close(connection: sqlite.Connection) -> None:
    """Makes the object immortal: neither garbage collection nor the interpreter's end closes it."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
