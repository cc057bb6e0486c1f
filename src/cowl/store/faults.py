"""Faults of the store as a whole: full, forbidden, damaged, too new. SQLite's and the kernel's, typed."""

from __future__ import annotations

import errno
import os

from cowl.errors import Corrupt, CowlError, Denied, Invalid, Unavailable
from cowl.store import sqlite

_DISK = "check the disk (dmesg)"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_MIN_FREE = 1 << 16  # bytes: with less than this left, a failed write of SQLite's is a full disk


class StoreFull(Unavailable):
    """The file system (or the quota) of the store is full. Nothing half-made is left. Fields: root, doing."""

    def __init__(self, root: str, doing: str) -> None:
        super().__init__(
            f"No space left on the disk of the store {root} for {doing}",
            hint="`cowl system df` shows what takes the space; removing images and containers still works",
        )
        self.root = root
        self.doing = doing


class StoreDenied(Denied):
    """The store belongs to somebody else or can't be written. Fields: root, why."""

    def __init__(self, root: str, why: str, *, hint: str = "") -> None:
        super().__init__(
            f"can't use the store {root}: {why}",
            hint=hint or "choose another place with --root or COWL_ROOT",
        )
        self.root = root
        self.why = why


class NotAStore(Invalid):
    """The root is a file, or a directory that holds something else. Fields: root, why."""

    def __init__(self, root: str, why: str) -> None:
        super().__init__(
            f"{root} can't be the store: {why}",
            hint="give an empty or a new directory to --root or COWL_ROOT",
        )
        self.root = root
        self.why = why


class StoreTooNew(Unavailable):
    """A newer cowl wrote this store. Fields: root, version (of its schema), known (ours)."""

    def __init__(self, root: str, version: int, known: int) -> None:
        super().__init__(
            f"the store {root} was written by a newer cowl (schema {version}, this one knows {known})",
            hint="upgrade cowl, or use another store with --root",
        )
        self.root = root
        self.version = version
        self.known = known


class StoreDamaged(Corrupt):
    """The metadata is not readable as such. Fields: root, why."""

    def __init__(self, root: str, why: str) -> None:
        super().__init__(
            f"the metadata of the store {root} is damaged: {why}",
            hint="check the disk (dmesg); the layers themselves lie under layers/",
        )
        self.root = root
        self.why = why


class StoreFailed(Unavailable):
    """Reading or writing failed, and not because the disk is full. Never retried. Fields: root, why."""

    def __init__(self, root: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"the store {root} can't be read or written: {why}", hint=hint)
        self.root = root
        self.why = why


def from_sqlite(root: str, doing: str, problem: sqlite.Error) -> CowlError:
    """The typed error for what SQLite reports (https://sqlite.org/rescode.html)."""
    code = getattr(problem, "sqlite_errorcode", 0) or 0
    primary = code & 0xFF
    if primary == sqlite.SQLITE_FULL or (primary == sqlite.SQLITE_IOERR and is_full(root)):
        return StoreFull(root, doing)
    if primary in (sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB):
        return StoreDamaged(root, str(problem))
    if primary in (sqlite.SQLITE_READONLY, sqlite.SQLITE_PERM, sqlite.SQLITE_AUTH):
        return StoreDenied(root, str(problem))
    if primary == sqlite.SQLITE_CANTOPEN:
        return StoreFull(root, doing) if is_full(root) else StoreDenied(root, str(problem))
    return StoreFailed(root, f"{doing}: {problem}", hint=_DISK if primary == sqlite.SQLITE_IOERR else "")


def from_os(root: str, doing: str, problem: OSError) -> CowlError:
    """The typed error for what the kernel reports, errno(3)."""
    if problem.errno in _FULL:
        return StoreFull(root, doing)
    if problem.errno in _DENIED:
        return StoreDenied(root, f"{doing}: {problem.strerror}: {problem.filename or root}")
    hint = _DISK if problem.errno == errno.EIO else ""
    return StoreFailed(root, f"{doing}: {problem.strerror}: {problem.filename or root}", hint=hint)


def is_full(root: str) -> bool:
    """Whether the file system of `root` has next to nothing left for this process."""
    try:
        room = os.statvfs(root)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _MIN_FREE or (room.f_files > 0 and room.f_favail == 0)


def means_full(problem: BaseException | None) -> bool:
    """Whether an exception, or what caused it, says that the disk or the quota is full."""
    if isinstance(problem, CowlError) and not isinstance(problem, StoreFull):
        problem = problem.__cause__
    return isinstance(problem, OSError) and problem.errno in _FULL
