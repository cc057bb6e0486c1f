"""The life of a container's row: taken by a process, running, between two runs, ended."""

from __future__ import annotations

from cowl.linux.process import ProcessId
from cowl.store.container_record import ACTIVE, NoSuchContainer
from cowl.store.disk import overhead_bytes
from cowl.store.event_log import container_event, end_events, start_events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cowl.layer.measure import Measure
    from cowl.store.database import Database
    from cowl.store.disk import ContainerMeasure
    from cowl.store.leases import Leases
    from cowl.store.owner import Owner
    from cowl.store.transaction import Transaction


EMPTY = "''"


class ContainerLife:
    """The part of `Containers` that follows their processes."""

    def __init__(self, database: Database, owner: Owner, leases: Leases, clock: Callable[[], float]) -> None:
        self._database = database
        self._root = database.root
        self._owner = owner
        self._leases = leases
        self._clock = clock

    def claim(self, identity: str, *, monitored: bool = False) -> None:
        """Says that this process, perhaps its monitor, is about to mount the container's layers.

        If it dies the next open of the store records the end of what ran. Raises NoSuchContainer.
        """
        with self._database.write() as transaction:
            owner = self._owner.register(transaction)
            changed = transaction.run(
                "UPDATE containers SET owner = ?, monitored = ? WHERE id = ?", (owner, monitored, identity)
            )
            if not changed:
                raise NoSuchContainer(identity)

    def unclaim(self, identity: str) -> None:
        """Takes `claim` back: it could not be started. A container that is gone is no error."""
        with self._database.write() as transaction:
            transaction.run(
                "UPDATE containers SET owner = NULL WHERE id = ? AND owner = ? AND state != 'running'",
                (identity, self._owner.id),
            )
            self._owner.retire(transaction)

    def let_go(self, identity: str, error: str = "", exit_code: int = 0) -> None:
        """Takes `claim` back, with the reason why it could not be started.

        Nothing happens to a container that is gone, or somebody else's.
        """
        with self._database.write() as transaction:
            transaction.run(
                "UPDATE containers SET owner = NULL, monitored = 0, error = ?, exit_code = ?,"
                " state = CASE WHEN state = 'restarting' THEN 'exited' ELSE state END"
                " WHERE id = ? AND owner = ?",
                (error, exit_code, identity, self._owner.id),
            )
            self._owner.retire(transaction)

    def started(
        self,
        identity: str,
        process: ProcessId,
        *,
        again: bool = False,
        attached: bool = False,
        cgroup: str = "",
    ) -> None:
        """Records the container's first process, and the cgroup that it has to itself.

        Raises NoSuchContainer.

        again     its restart policy started it: the restarts are counted, and a wish stays. A user's own
                  start counts from zero and forgets what was wished before.
        attached  its streams are somebody's, not a monitor's
        """
        with self._database.write() as transaction:
            changed = transaction.run(
                "UPDATE containers SET state = 'running', exit_code = 0, started_at = ?, finished_at = 0.0,"
                " pid = ?, start_time = ?, boot_id = ?, owner = ?, error = '', cgroup = ?, oom_killed = 0,"
                f" restarts = {'restarts + 1' if again else '0'}, wish = {'wish' if again else EMPTY},"
                " size_bytes = NULL, allocated_bytes = NULL, overhead_bytes = NULL, files = NULL,"
                " whiteouts = NULL WHERE id = ?",
                (
                    self._clock(),
                    process.pid,
                    process.start_time,
                    process.boot_id,
                    self._owner.register(transaction),
                    cgroup,
                    identity,
                ),
            )
            if not changed:
                raise NoSuchContainer(identity)
            start_events(transaction, identity, attached=attached)

    def pause(self, identity: str, *, paused: bool) -> bool:
        """Records that a running container was paused, or that a paused one goes on; False if it was not."""
        old, new = ("running", "paused") if paused else ("paused", "running")
        with self._database.write() as transaction:
            changed = transaction.run(
                "UPDATE containers SET state = ? WHERE id = ? AND state = ?", (new, identity, old)
            )
            if changed:
                container_event(transaction, identity, "pause" if paused else "unpause")
            return bool(changed)

    def is_paused(self, identity: str) -> bool:
        """Whether its row says so. One that is gone is not."""
        return bool(
            self._database.row("SELECT 1 FROM containers WHERE id = ? AND state = 'paused'", (identity,))
        )

    def resettle(self, identity: str, settings: str) -> None:
        """Other settings, as JSON, in the place of those that it has. Raises NoSuchContainer."""
        with self._database.write() as transaction:
            if not transaction.run("UPDATE containers SET settings = ? WHERE id = ?", (settings, identity)):
                raise NoSuchContainer(identity)
            container_event(transaction, identity, "update")

    def restarting(self, identity: str, exit_code: int, *, oom_killed: bool = False) -> None:
        """Records the end of one run of a container that its policy will start again.

        Raises NoSuchContainer.
        """
        with self._database.write() as transaction:
            end_events(transaction, identity, exit_code, oom_killed=oom_killed)
            changed = transaction.run(
                "UPDATE containers SET state = 'restarting', exit_code = ?, finished_at = ?, oom_killed = ?,"
                " pid = NULL, start_time = NULL, boot_id = NULL WHERE id = ?",
                (exit_code, self._clock(), oom_killed, identity),
            )
            if not changed:
                raise NoSuchContainer(identity)

    def ask(self, identity: str, wish: str) -> None:
        """Has it not started again when it ends: "stop", or "restart" if it is to outlive `auto_remove`.

        Only where it is active: what is at rest has nobody to heed it. Raises NoSuchContainer.
        """
        with self._database.write() as transaction:
            if not transaction.row("SELECT 1 FROM containers WHERE id = ?", (identity,)):
                raise NoSuchContainer(identity)
            transaction.run(
                "UPDATE containers SET wish = ? WHERE id = ?"
                f" AND state IN ({', '.join(repr(state) for state in ACTIVE)})",
                (wish, identity),
            )

    def monitor_of(self, identity: str) -> ProcessId | None:
        """The process that looks after the container; None when it has no monitor."""
        row = self._database.row(
            "SELECT owners.pid, owners.start_time, owners.boot_id FROM containers"
            " JOIN owners ON owners.id = owner WHERE containers.id = ? AND monitored",
            (identity,),
        )
        return ProcessId(*row) if row else None

    def exited(
        self, identity: str, exit_code: int, measure: Measure | None = None, *, oom_killed: bool = False
    ) -> None:
        """Records its end, with the measure of its upper (None: it is measured whenever asked for).

        Raises NoSuchContainer.
        """
        with self._database.write() as transaction:
            self._record_exit(transaction, identity, exit_code, measure, oom_killed)
            self._owner.retire(transaction)

    def _record_exit(
        self,
        transaction: Transaction,
        identity: str,
        exit_code: int,
        measure: Measure | None,
        oom_killed: bool,
    ) -> None:
        overhead = overhead_bytes(self._root.container(identity)) if measure else None
        now = self._clock()
        volumes = transaction.row("SELECT 1 FROM container_volumes WHERE container = ?", (identity,))
        end_events(transaction, identity, exit_code, volumes=bool(volumes), oom_killed=oom_killed)
        if volumes:
            from cowl.store.volumes import note_use

            note_use(transaction, identity, now)
        changed = transaction.run(
            "UPDATE containers SET state = 'exited', exit_code = ?, finished_at = ?, measured_at = ?,"
            " oom_killed = ?,"
            " owner = NULL, monitored = 0,"
            " size_bytes = ?, allocated_bytes = ?, overhead_bytes = ?, files = ?, whiteouts = ?"
            " WHERE id = ?",
            (
                exit_code,
                now,
                now,
                oom_killed,
                measure.size_bytes if measure else None,
                measure.allocated_bytes if measure else None,
                overhead,
                measure.files if measure else None,
                measure.whiteouts if measure else None,
                identity,
            ),
        )
        if not changed:
            raise NoSuchContainer(identity)

    def stirred(self, identity: str) -> None:
        """Somebody writes to the files of a container at rest: what was measured of them holds no more.

        Its volumes were used too. Raises NoSuchContainer.
        """
        with self._database.write() as transaction:
            now = self._clock()
            if transaction.row("SELECT 1 FROM container_volumes WHERE container = ?", (identity,)):
                from cowl.store.volumes import note_use

                note_use(transaction, identity, now)
            changed = transaction.run(
                "UPDATE containers SET size_bytes = NULL, allocated_bytes = NULL, overhead_bytes = NULL,"
                " files = NULL, whiteouts = NULL, measured_at = ? WHERE id = ?",
                (now, identity),
            )
            if not changed:
                raise NoSuchContainer(identity)

    def measured(self, found: Mapping[str, ContainerMeasure]) -> None:
        """Records measures of exited containers, by ID, taken after their files came to rest."""
        with self._database.write() as transaction:
            for identity, measure in found.items():
                transaction.run(
                    "UPDATE containers SET size_bytes = ?, allocated_bytes = ?, overhead_bytes = ?,"
                    " measured_at = ? WHERE id = ? AND state = 'exited'",
                    (
                        measure.size_bytes,
                        measure.allocated_bytes,
                        measure.overhead_bytes,
                        self._clock(),
                        identity,
                    ),
                )
