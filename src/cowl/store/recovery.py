"""Recovery: what an open of the store does about processes that died, and machines that did.

Whatever is half-made is in one of these places, and found there: rows of owners whose process is
dead; their directories under `staging/`; a directory of `layers/`, `containers/`, `caches/` or
`volumes/` without a row, which needs such an owner or another boot to come about; a lock file without
a row; anything in `trash/`. When none of them shows, an open looks no further. An upper that was on its
way into a layer or the trash goes home before anything else is cleared (see `upper_moves`).
"""

from __future__ import annotations

import os
import select

from cowl.linux.process import NoSuchProcess, ProcessId, boot_id
from cowl.store.container_record import ACTIVE
from cowl.store.event_log import end_events
from cowl.store.garbage import delete
from cowl.store.owner import LOCK_PREFIX, is_alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.store.database import Database
    from cowl.store.garbage import Deletion
    from cowl.store.transaction import Row

_SIGKILL = 9
_KILLED = 128 + _SIGKILL
FAILED_STEP_SECONDS = 24 * 3600  # how long what a failed step left is kept
_DEATH_MILLISECONDS = 2000  # how long a killed orphan may take

_UNOWNED = "WHERE owner NOT IN (SELECT id FROM owners)"
_TORN = f"SELECT 1 FROM relinked_directories {_UNOWNED} LIMIT 1"  # a dedupe that did not end


def recover(database: Database, clock: Callable[[], float]) -> bool:
    """Finishes what a crash left; True if there was anything. Live processes are never disturbed.

    What is kept of failed steps and whose time is over go too.
    Costs four queries and a look into `trash/` and `locks/` when there is nothing to do.
    """
    boot = boot_id()
    last_boot = database.row("SELECT value FROM meta WHERE name = 'boot_id'")
    owners = database.rows("SELECT * FROM owners")
    dead = [row[0] for row in owners if not is_alive(database.root.locks, row)]
    known = {row[0] for row in owners}
    root = database.root
    expired = (clock() - FAILED_STEP_SECONDS,)
    if database.row("SELECT 1 FROM failed_steps WHERE created_at < ?", expired):
        from cowl.store.failed_steps import drop_failed_steps

        delete(database, lambda deletion: drop_failed_steps(deletion, "WHERE created_at < ?", expired))
    left = dead or _stale_trash(root.trash) or _stale_locks(root.locks, known) or database.row(_TORN)
    if last_boot == (boot,) and not left:
        return False
    for owner in dead:
        _kill_orphans(database, owner)
    delete(database, lambda deletion: _Reconciliation(database, deletion, clock()).run(boot), "recovering")
    return True


def _stale_locks(locks: str, owners: set[str]) -> list[str]:
    """Lock files without a row: left between the two, or of a process that is just making its row."""
    return [
        name
        for name in os.listdir(locks)
        if name.startswith(LOCK_PREFIX) and name.removeprefix(LOCK_PREFIX) not in owners
    ]


def _stale_trash(trash: str) -> list[str]:
    """What lies in the trash, but for what a live process is just unlinking."""
    return [name for name in os.listdir(trash) if not _in_work(name)]


def _in_work(name: str) -> bool:
    parts = name.rsplit(".", 3)  # the name of a volume may have dots
    if len(parts) != 4 or not (parts[1] + parts[2]).isdigit():
        return False
    return ProcessId(int(parts[1]), int(parts[2]), boot_id()).alive()


def _kill_orphans(database: Database, owner: str) -> None:
    """Ends containers that outlived their owner: it would have been their end in any moment.

    Their cgroups go too, also of one that was only just made.
    """
    from cowl.linux.cgroups import default_path, remove_leftover

    rows = database.rows(
        "SELECT id, cgroup, pid, start_time, boot_id FROM containers WHERE owner = ?", (owner,)
    )
    for identity, cgroup, *process in rows:
        try:
            if process[0] is not None:
                _kill(ProcessId(*process))
        except (NoSuchProcess, PermissionError):
            pass
        remove_leftover(cgroup or default_path("/", identity))


def _kill(process: ProcessId) -> None:
    process.send_signal(_SIGKILL)
    from cowl.linux.cgroups import thaw_process

    thaw_process(process.pid)  # one that was paused could not die
    pidfd = process.open()
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.poll(_DEATH_MILLISECONDS)
    finally:
        os.close(pidfd)


class _Reconciliation:
    """Rows and directories made equal again, inside one deletion."""

    def __init__(self, database: Database, deletion: Deletion, now: float) -> None:
        self._root = database.root
        self._deletion = deletion
        self._transaction = deletion.transaction
        self._now = now

    def run(self, boot: str) -> None:
        self._bring_uppers_home()
        self._restore_trash(self._transaction.row("SELECT value FROM meta WHERE name = 'boot_id'") == (boot,))
        for row in self._transaction.rows("SELECT * FROM owners"):
            if not is_alive(self._root.locks, row):
                self._drop_owner(row[0])
        if self._transaction.row(_TORN):
            from cowl.store.dedupe.journal import settle

            settle(self._transaction, self._root, _UNOWNED)
        self._deletion.drop_all_unreferenced()
        self._drop_missing_containers()
        self._discard_strangers("layer", self._root.layers, "SELECT key FROM layers")
        self._discard_strangers("container", self._root.containers, "SELECT id FROM containers")
        self._drop_missing_caches()
        self._discard_strangers("cache", self._root.caches, "SELECT id FROM cache_mounts")
        self._discard_strangers("volume", self._root.volumes, "SELECT name FROM volumes")
        self._finish_volumes()
        self._discard_strangers("stage", self._root.staging, "SELECT id FROM owners")
        self._drop_locks()
        self._transaction.run("INSERT OR REPLACE INTO meta VALUES ('boot_id', ?)", (boot,))

    def _bring_uppers_home(self) -> None:
        if not self._transaction.row("SELECT 1 FROM upper_moves"):
            return
        from cowl.store.upper_moves import undo_moves

        owners = self._transaction.rows("SELECT * FROM owners")
        living = {row[0] for row in owners if is_alive(self._root.locks, row)}
        undo_moves(self._transaction, self._root, lambda owner: owner in living)

    def _drop_owner(self, owner: str) -> None:
        self._transaction.run("DELETE FROM leases WHERE owner = ?", (owner,))
        rows = self._transaction.rows(
            "SELECT id, state, auto_remove FROM containers WHERE owner = ?", (owner,)
        )
        from cowl.store.volumes import note_use

        for identity, state, auto_remove in rows:
            if state in ACTIVE:
                end_events(self._transaction, identity, _KILLED, volumes=True)
                note_use(self._transaction, identity, self._now)
            if auto_remove or not os.path.isdir(f"{self._root.container(identity)}/work"):
                self._deletion.drop_container(identity)
            elif state in ACTIVE:
                self._transaction.run(
                    "UPDATE containers SET state = 'exited', finished_at = ?,"
                    " exit_code = CASE WHEN state = 'restarting' THEN exit_code ELSE ? END WHERE id = ?",
                    (self._now, _KILLED, identity),
                )
        self._transaction.run("UPDATE containers SET owner = NULL, monitored = 0 WHERE owner = ?", (owner,))
        self._transaction.run("DELETE FROM owners WHERE id = ?", (owner,))

    def _restore_trash(self, same_boot: bool) -> None:
        """Empties the trash; what has a row was renamed for a deletion that never was, and goes back.

        A container does in the boot of its deletion only: its row is not waited for to be gone on disk,
        so after a power cut some of it may be unlinked.
        """
        for name in _stale_trash(self._root.trash):
            source = f"{self._root.trash}/{name}"
            kind, _, key = name.rsplit(".", 3)[0].partition(".")
            target = self._missing(kind, key) if kind != "container" or same_boot else ""
            if target:
                os.rename(source, target)
                continue
            if kind == "container":
                self._deletion.drop_container(key)
            self._deletion.in_trash.append(source)

    def _missing(self, kind: str, key: str) -> str:
        """Where something should be that has a row and no directory, else ""."""
        query, place = {
            "container": ("SELECT 1 FROM containers WHERE id = ?", self._root.container),
            "layer": ("SELECT 1 FROM layers WHERE key = ?", self._root.layer),
            "cache": ("SELECT 1 FROM cache_mounts WHERE id = ?", self._root.cache),
            "volume": ("SELECT 1 FROM volumes WHERE name = ?", self._root.volume),
        }.get(kind, ("", self._root.layer))
        if query and self._transaction.row(query, (key,)) and not os.path.lexists(place(key)):
            return place(key)
        return ""

    def _drop_missing_caches(self) -> None:
        """A cache mount whose directory a power cut took: nobody misses it."""
        for (identity,) in self._transaction.rows("SELECT id FROM cache_mounts"):
            if not os.path.isdir(f"{self._root.cache(identity)}/data"):
                self._transaction.run("DELETE FROM cache_mounts WHERE id = ?", (identity,))

    def _drop_missing_containers(self) -> None:
        """A container whose directory a power cut took has nothing left but its row."""
        for (identity,) in self._transaction.rows("SELECT id FROM containers WHERE owner IS NULL"):
            if not os.path.isdir(self._root.container(identity)):
                self._deletion.drop_container(identity)

    def _finish_volumes(self) -> None:
        """A volume that was just being filled gets the rest."""
        for (name,) in self._transaction.rows("SELECT name FROM volumes"):
            if os.path.isdir(f"{self._root.volume(name)}/fill"):
                from cowl.store.filling import finish_filling

                finish_filling(self._root.volume(name))

    def _discard_strangers(self, kind: str, directory: str, known: str) -> None:
        rows: list[Row] = self._transaction.rows(known)
        names = {row[0] for row in rows}
        for name in os.listdir(directory):
            if name not in names:
                self._deletion.discard(kind, name, f"{directory}/{name}")

    def _drop_locks(self) -> None:
        owners = {row[0] for row in self._transaction.rows("SELECT id FROM owners")}
        for name in _stale_locks(self._root.locks, owners):
            os.unlink(f"{self._root.locks}/{name}")
