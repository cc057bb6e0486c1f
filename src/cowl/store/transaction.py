"""Transactions: what is read at one moment, and what is written as one, under the exclusive lock."""

from __future__ import annotations

import fcntl
import os

from cowl.errors import CowlError
from cowl.store import sqlite
from cowl.store.faults import from_os, from_sqlite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self, TypeAlias

    from cowl.store.database import Database

    Row: TypeAlias = tuple[Any, ...]

_WAL_BYTES = 1 << 18  # checkpoint above this, about every twenty runs: an open reads the whole WAL


class Snapshot:
    """One read transaction; see `Database.snapshot`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Database:
        self._database.mutex.acquire()
        try:
            if self._database.depth == 0:
                self._abandon_interrupted()
                self._run("BEGIN")
            self._database.depth += 1
        except BaseException:
            if self._database.depth == 0 and self._database.connection.in_transaction:
                self._run("ROLLBACK")  # Ctrl-C came in between
            self._database.mutex.release()
            raise
        return self._database

    def _abandon_interrupted(self) -> None:
        """Ctrl-C at the very beginning of an `__exit__` leaves what that was to end: nobody is in it now."""
        if self._database.connection.in_transaction:
            self._run("ROLLBACK")
            fcntl.flock(self._database.lock_fd, fcntl.LOCK_UN)

    def __exit__(self, *_failure: object) -> None:
        self._database.depth -= 1
        try:
            if self._database.depth == 0:
                self._run("COMMIT")
        finally:
            if self._database.depth == 0 and self._database.connection.in_transaction:
                self._run("ROLLBACK")
            self._database.mutex.release()

    def _run(self, sql: str) -> None:
        try:
            self._database.connection.execute(sql)
        except sqlite.Error as problem:
            raise from_sqlite(self._database.root.path, "reading its database", problem) from problem


class Transaction:
    """One write transaction under the exclusive lock; see `Database.write`."""

    def __init__(self, database: Database, durable: bool, doing: str) -> None:
        self._database = database
        self._durable = durable
        self._doing = doing
        self._undo: list[Callable[[], object]] = []

    def now(self) -> float:
        """Seconds since the epoch, by the store's clock."""
        return self._database.clock()

    def undo(self, action: Callable[[], object]) -> None:
        """Has `action` run, under the lock, if the transaction is rolled back: the last one first."""
        self._undo.append(action)

    def __enter__(self) -> Self:
        self._database.mutex.acquire()
        try:
            fcntl.flock(self._database.lock_fd, fcntl.LOCK_EX)
            try:
                self._begin()
            except BaseException:
                fcntl.flock(self._database.lock_fd, fcntl.LOCK_UN)
                raise
        except BaseException:
            self._database.mutex.release()
            raise
        return self

    def _begin(self) -> None:
        if self._database.connection.in_transaction:  # left by Ctrl-C where no handler was yet, or no more
            self._roll_back()
            self._database.depth = 0
        if self._durable:
            self.run("PRAGMA synchronous = FULL")
        self.run("BEGIN IMMEDIATE")

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Executes one statement and gives the number of rows it changed."""
        return self._execute(sql, values).rowcount

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query, inside the transaction."""
        return self._execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None, inside the transaction."""
        found: Row | None = self._execute(sql, values).fetchone()
        return found

    def insert(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Executes an INSERT and gives the rowid it made."""
        return int(self._execute(sql, values).lastrowid or 0)

    def _execute(self, sql: str, values: Sequence[Any]) -> sqlite.Cursor:
        try:
            return self._database.connection.execute(sql, values)
        except sqlite.Error as problem:
            raise from_sqlite(self._database.root.path, self._doing, problem) from problem

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        self._end(failure is None)
        if isinstance(failure, OSError):
            raise from_os(self._database.root.path, self._doing, failure) from failure

    def _end(self, well: bool) -> None:
        try:
            try:
                self._finish(well)
            finally:
                if self._durable:
                    self._database.connection.execute("PRAGMA synchronous = NORMAL")
            _checkpoint_if_large(self._database)
        finally:
            fcntl.flock(self._database.lock_fd, fcntl.LOCK_UN)
            self._database.mutex.release()

    def _finish(self, well: bool) -> None:
        """Commits or rolls back. An interrupt that comes after the commit undoes nothing."""
        connection = self._database.connection
        if not well:
            self._roll_back()
            return
        try:
            self.run("COMMIT")
        except CowlError:
            self._roll_back()
            raise
        finally:
            if connection.in_transaction:
                self._roll_back()

    def _roll_back(self) -> None:
        """Takes back rows, unless SQLite has already done so, then directories."""
        connection = self._database.connection
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        while self._undo:
            self._undo.pop()()


def _checkpoint_if_large(database: Database) -> None:
    """Folds a large WAL into the database. Failing to is no failure: the WAL stays valid and grows."""
    try:
        if os.stat(database.root.database + "-wal").st_size > _WAL_BYTES:
            database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except (OSError, sqlite.Error):
        return
