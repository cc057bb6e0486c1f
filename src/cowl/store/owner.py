"""The owner: this process as the one that made something half, and whether others still live.

An owner is a row, which names the process, and a flock'ed file, which the kernel unlocks at its
death. Within one pid namespace the process identity (pid, start time, boot) decides: exact, and not
fooled by a forked child that inherited the lock. From another pid namespace (a container that shares
the store) pids mean nothing, and the lock decides.
"""

from __future__ import annotations

import fcntl
import os

from cowl.linux.process import ProcessId, boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.store.database import Database
    from cowl.store.transaction import Row, Transaction

LOCK_PREFIX = "owner-"
_COMES_BACK = (
    2  # registrations; a row and a file made and removed again for every run would cost a tenth of it
)


class Owner:
    """What this process says of itself in the store; made known only when first needed."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self.reset()

    @property
    def is_registered(self) -> bool:
        """Whether the store knows this process."""
        return self._lock_fd >= 0

    def reset(self) -> None:
        """A new identity: at the start, and in a forked child."""
        self.id = os.urandom(8).hex()
        self._lock_fd = -1
        self._times = 0

    def register(self, transaction: Transaction) -> str:
        """Makes the row and the lock of this process, if they are not there, and gives its id."""
        if self._lock_fd < 0:
            path = lock_path(self._database.root.locks, self.id)
            self._lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        if transaction.row("SELECT 1 FROM owners WHERE id = ?", (self.id,)) is None:
            process = ProcessId.current()
            transaction.run(
                "INSERT INTO owners VALUES (?, ?, ?, ?, ?, ?)",
                (self.id, process.pid, process.start_time, process.boot_id, pid_namespace(), self._clock()),
            )
            self._times += 1
        return self.id

    def retire(self, transaction: Transaction) -> None:
        """Takes row and lock back if nothing depends on this process any more, and it may be done.

        Who has come back once will come again, and stays known until it leaves.
        """
        if self._times < _COMES_BACK:
            self.leave(transaction)

    def leave(self, transaction: Transaction) -> None:
        """Takes row and lock back if nothing depends on this process any more."""
        gone = transaction.run(
            "DELETE FROM owners WHERE id = ?1"
            " AND NOT EXISTS (SELECT 1 FROM leases WHERE owner = ?1)"
            " AND NOT EXISTS (SELECT 1 FROM containers WHERE owner = ?1)"
            " AND NOT EXISTS (SELECT 1 FROM upper_moves WHERE owner = ?1)",
            (self.id,),
        )
        if gone and self._lock_fd >= 0:
            try:
                os.unlink(lock_path(self._database.root.locks, self.id))
            except FileNotFoundError:
                pass  # an earlier transaction was interrupted here, and rolled back
            self._close()

    def inheritance(self) -> tuple[str, int]:
        """The id and the descriptor of the lock, for `inherit` in the program that this process becomes."""
        return self.id, self._lock_fd

    def inherit(self, identity: str, lock_fd: int) -> None:
        """Takes the place of what was made up at the start."""
        self.id, self._lock_fd = identity, lock_fd

    def disown_inherited(self) -> None:
        """In a forked child: forgets the parent's identity; closing our copy leaves the parent's lock."""
        self._close()
        self.reset()

    def _close(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


def lock_path(locks: str, owner: str) -> str:
    """Where an owner's lock file lies."""
    return f"{locks}/{LOCK_PREFIX}{owner}"


def pid_namespace() -> int:
    """The inode of this process's pid namespace, pid_namespaces(7); 0 where there is no /proc for it."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def is_alive(locks: str, row: Row) -> bool:
    """Whether the process of a row of `owners` still lives."""
    identity, pid, start_time, boot, namespace = row[:5]
    if boot != boot_id():
        return False
    if namespace == pid_namespace():
        return ProcessId(pid, start_time, boot).alive()
    return _is_locked(lock_path(locks, identity))


def _is_locked(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
