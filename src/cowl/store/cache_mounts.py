"""Cache mounts: directories that RUN --mount=type=cache writes to, found again by name.

Whoever uses one holds a flock(2) on its directory: shared, or exclusive. The lock goes with the process
that held it, and whoever gets it looks whether the directory is still the one of that name: a removal
takes the exclusive lock and renames the directory away.
"""

from __future__ import annotations

import fcntl
import os

from cowl.errors import Conflict, NotFound
from cowl.linux.files import fsync_dir, remove_tree
from cowl.store.faults import StoreFull
from cowl.store.garbage import delete
from cowl.store.rows import CacheMountRow, cache_mount_rows
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Self

    from cowl.store.database import Database
    from cowl.store.transaction import Transaction

SHARED, PRIVATE, LOCKED = "shared", "private", "locked"
_COLUMNS = "id, name, base, created_at, last_used, size_bytes, allocated_bytes, measured_at"


class NoSuchCacheMount(NotFound):
    """No cache mount has that name or ID. Field: name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No such cache mount: {name}", hint="`cowl builder cache ls` lists them.")
        self.name = name


class CacheMountInUse(Conflict):
    """A running build uses the cache mount. Fields: id, name."""

    def __init__(self, row: CacheMountRow) -> None:
        super().__init__(
            f"the cache mount {row.name} ({row.id[:12]}) is in use by a build",
            hint="Wait until the build has ended.",
        )
        self.id = row.id
        self.name = row.name


class CacheMount(Value):
    """A cache mount and what it holds now.

    size_bytes       apparent
    allocated_bytes  blocks on disk of its whole directory: freed when it is removed
    in_use           a build uses it
    """

    id: str
    name: str
    base: str
    created_at: float
    last_used: float
    size_bytes: int
    allocated_bytes: int
    in_use: bool


class CacheUse:
    """A cache mount in use: `path` is its tree. A `with` block, which lets go of it."""

    def __init__(self, mounts: CacheMounts, identity: str, fd: int) -> None:
        self._mounts = mounts
        self._fd = fd
        self.id = identity
        self.path = f"{mounts.root.cache(identity)}/data"

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            self._mounts.used(self.id)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()


class CacheMounts:
    """The cache mounts of a store."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self.root = database.root

    def use(
        self,
        name: str,
        base: str,
        sharing: str,
        *,
        prepare: Callable[[], str],
        waiting: Callable[[], None],
    ) -> CacheUse:
        """A cache mount of this name and base, made if there is none that can be had.

        sharing  SHARED: with all others that share; PRIVATE: for this use alone, a further one if need be;
                 LOCKED: for this use alone, waited for
        prepare  makes the tree of a new one, a directory in staging/ that is then renamed
        waiting  called before each new try for one that another holds: waits a moment, or raises
        """
        kind = fcntl.LOCK_SH if sharing == SHARED else fcntl.LOCK_EX
        while True:
            known = self._instances(name, base)
            for identity in known:
                fd = self._lock(identity, kind | fcntl.LOCK_NB)
                if fd >= 0:
                    return self._begin(identity, fd)
            if sharing == LOCKED and known:
                waiting()
                continue
            made = self._make(name, base, known, kind, prepare())
            if made:
                return made

    def _instances(self, name: str, base: str) -> list[str]:
        sql = "SELECT id FROM cache_mounts WHERE name = ? AND base = ? ORDER BY created_at, id"
        return [row[0] for row in self._database.rows(sql, (name, base))]

    def _lock(self, identity: str, kind: int) -> int:
        """A descriptor that holds the lock; -1 when another does, or the cache mount is gone."""
        path = self.root.cache(identity)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return -1
        try:
            fcntl.flock(fd, kind)
            there = os.stat(path)
            mine = os.fstat(fd)
            if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                return fd
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return -1

    def hold(self, identity: str) -> int:
        """A descriptor that keeps everybody from using it; -1 when somebody does, or it is gone."""
        return self._lock(identity, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _begin(self, identity: str, fd: int) -> CacheUse:
        try:
            self.used(identity)
        except BaseException:
            os.close(fd)
            raise
        return CacheUse(self, identity, fd)

    def used(self, identity: str) -> None:
        """Records that a use began or ended just now, and that its figures are not to be believed."""
        with self._database.write() as transaction:
            transaction.run(
                "UPDATE cache_mounts SET last_used = ?, measured_at = 0 WHERE id = ?",
                (self._clock(), identity),
            )

    def _make(self, name: str, base: str, known: list[str], kind: int, tree: str) -> CacheUse | None:
        """A new one, locked, with `tree` as its tree; None when others were made since `known` was read."""
        identity = os.urandom(16).hex()
        path = self.root.cache(identity)
        fd = -1
        try:
            with self._database.write(doing="making a cache mount") as transaction:
                if self._names(transaction, name, base) != known:
                    return None
                transaction.undo(lambda: _undo(path, tree))
                fd = _fresh(path, kind)
                os.rename(tree, f"{path}/data")
                now = self._clock()
                row = (identity, name, base, now, now, 0, 0, 0)
                transaction.run(f"INSERT INTO cache_mounts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        except BaseException:
            if fd >= 0:
                os.close(fd)
            raise
        return CacheUse(self, identity, fd)

    def _names(self, transaction: Transaction, name: str, base: str) -> list[str]:
        sql = "SELECT id FROM cache_mounts WHERE name = ? AND base = ? ORDER BY created_at, id"
        return [row[0] for row in transaction.rows(sql, (name, base))]

    def list(self) -> tuple[CacheMount, ...]:
        """All of them, oldest first, measured where their figures may not hold."""
        return self.measured(cache_mount_rows(self._database))

    def measured(self, rows: Sequence[CacheMountRow]) -> tuple[CacheMount, ...]:
        """These, with fresh figures where the recorded ones may not hold."""
        from cowl.store.disk import SETTLED_SECONDS, measure_cache

        found = []
        for row in rows:
            in_use = self._is_in_use(row.id)
            size, allocated = row.size_bytes, row.allocated_bytes
            if in_use or not row.measured_at:
                size, allocated = measure_cache(self.root, row.id)
                if not in_use and row.last_used < self._clock() - SETTLED_SECONDS:
                    self._record(row, size, allocated)
            about = (row.id, row.name, row.base, row.created_at, row.last_used)
            found.append(CacheMount(*about, size, allocated, in_use))
        return tuple(found)

    def in_use(self, rows: Iterable[CacheMountRow]) -> frozenset[str]:
        """The IDs of those of them that a build uses."""
        return frozenset(row.id for row in rows if self._is_in_use(row.id))

    def _is_in_use(self, identity: str) -> bool:
        fd = self.hold(identity)
        if fd >= 0:
            os.close(fd)
            return False
        return os.path.isdir(self.root.cache(identity))

    def _record(self, row: CacheMountRow, size: int, allocated: int) -> None:
        """Unless somebody has used it meanwhile, or the disk is full: then another time."""
        try:
            with self._database.write() as transaction:
                transaction.run(
                    "UPDATE cache_mounts SET size_bytes = ?, allocated_bytes = ?, measured_at = ?"
                    " WHERE id = ? AND last_used = ?",
                    (size, allocated, self._clock(), row.id, row.last_used),
                )
        except StoreFull:
            pass

    def find(self, text: str) -> tuple[CacheMountRow, ...]:
        """Those of a name, or the one of an ID or its prefix. Raises NoSuchCacheMount."""
        rows = cache_mount_rows(self._database)
        named = tuple(row for row in rows if row.name == text)
        found = named or tuple(row for row in rows if text and row.id.startswith(text))
        if not found or (not named and len(found) > 1):
            raise NoSuchCacheMount(text)
        return found

    def remove(self, rows: Iterable[CacheMountRow], *, skip_used: bool = False) -> tuple[CacheMountRow, ...]:
        """Deletes them; gives those that are gone, with what they took. A cache mount is removed whole.

        Raises CacheMountInUse at the first that a build uses, or leaves those alone with `skip_used`.
        """
        from cowl.store.disk import measure_cache

        removed = []
        for row in rows:
            fd = self.hold(row.id)
            if fd < 0:
                if not skip_used and os.path.isdir(self.root.cache(row.id)):
                    raise CacheMountInUse(row)
                continue
            try:
                size, allocated = measure_cache(self.root, row.id)
                _delete(self._database, row)
            finally:
                os.close(fd)
            removed.append(row.replace(size_bytes=size, allocated_bytes=allocated))
        return tuple(removed)

    def put(self, name: str, base: str, tree: str) -> CacheMountRow:
        """A cache mount with the tree `tree`, a directory in staging/, in place of all of its name and base.

        Raises CacheMountInUse when a build uses one of those; then all is as it was.
        """
        old = [row for row in cache_mount_rows(self._database) if (row.name, row.base) == (name, base)]
        made = None
        while made is None:
            made = self._make(name, base, self._instances(name, base), fcntl.LOCK_EX, tree)
        try:
            fsync_dir(self.root.caches)
            self.remove(old)
        except BaseException:
            made.close()
            self.remove(self.find(made.id))
            raise
        made.close()
        return self.find(made.id)[0]

    def reading(self, row: CacheMountRow) -> CacheUse:
        """A use of a certain one beside others that share it. Raises CacheMountInUse, NoSuchCacheMount."""
        fd = self._lock(row.id, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if fd < 0:
            if os.path.isdir(self.root.cache(row.id)):
                raise CacheMountInUse(row)
            raise NoSuchCacheMount(row.name)
        return self._begin(row.id, fd)


def _fresh(path: str, kind: int) -> int:
    """A new directory, and a descriptor of it that holds the lock."""
    os.mkdir(path, 0o700)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(fd, kind | fcntl.LOCK_NB)
    return fd


def _undo(path: str, tree: str) -> None:
    """Takes a rolled back one away; the tree goes back to staging/, and with that."""
    try:
        os.rename(f"{path}/data", tree)
    except FileNotFoundError:
        pass
    remove_tree(path)


def _delete(database: Database, row: CacheMountRow) -> None:
    delete(database, lambda deletion: deletion.drop_cache(row.id), "removing a cache mount")
