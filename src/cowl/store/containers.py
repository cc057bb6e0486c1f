"""Containers: a stack, a writable upper, and the state that must survive its process."""

from __future__ import annotations

import json
import os

from cowl.linux.process import ProcessId
from cowl.store.container_life import ContainerLife
from cowl.store.container_record import ACTIVE
from cowl.store.container_record import AmbiguousContainerId as AmbiguousContainerId
from cowl.store.container_record import ContainerRecord as ContainerRecord
from cowl.store.container_record import ContainerRunning as ContainerRunning
from cowl.store.container_record import NameInUse as NameInUse
from cowl.store.container_record import NameUnchanged as NameUnchanged
from cowl.store.container_record import NoSuchContainer as NoSuchContainer
from cowl.store.event_log import KILLED, container_event
from cowl.store.faults import from_os
from cowl.store.fresh_upper import dress_root
from cowl.store.garbage import delete
from cowl.store.images import NoSuchImage
from cowl.store.names import check_name, made_up_name, resolve
from cowl.store.owner import is_alive
from cowl.store.stacks import Stack, Stacks, stack_of_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cowl.store.garbage import Deletion
    from cowl.store.network_record import Membership
    from cowl.store.snapshot_record import SnapshotRecord
    from cowl.store.transaction import Row, Transaction
    from cowl.store.volume_record import Claim

_COLUMNS = (
    "id, name, image, stack, state, exit_code, auto_remove, settings, pid, start_time, boot_id,"
    " created_at, started_at, finished_at, size_bytes, allocated_bytes, overhead_bytes, image_layers,"
    " snapshot, restarts, wish, monitored, error, cgroup, oom_killed"
)


class Containers(ContainerLife):
    """The containers of a store."""

    def create(
        self,
        name: str,
        image_id: str,
        layer_keys: Sequence[str],
        settings: Mapping[str, Any] | str,
        *,
        auto_remove: bool = False,
        snapshot: SnapshotRecord | None = None,
        volumes: Sequence[Claim] = (),
        networks: Sequence[Membership] = (),
        owned: bool = True,
    ) -> ContainerRecord:
        """A new container; `name` "" makes one up.

        `image_id` "" is for a container without an image row. With a `snapshot` the layers are that
        one's, and its image may be gone. If it is `owned`, this process owns it until it exits: when
        that dies first, the next open of the store records the container as exited with 137, or removes
        it if `auto_remove`.
        Of its `volumes` those that are missing are made, to last from then on. On `networks` it gets its
        addresses when it starts.
        Raises NameInUse, InvalidName, NoSuchImage, NoSuchSnapshot, NoSuchLayer, VolumeDamaged, StoreFull.
        """
        identity = os.urandom(32).hex()
        wanted = check_name(name) if name else ""
        text = settings if isinstance(settings, str) else json.dumps(settings, separators=(",", ":"))
        lasting = False
        with self._database.write(doing="creating a container") as transaction:
            now = self._clock()
            stack = _used_stack(transaction, image_id, layer_keys, snapshot, now)
            transaction.run(
                "INSERT INTO containers (id, name, image, stack, state, exit_code, auto_remove, settings,"
                " owner, created_at, started_at, finished_at, measured_at, image_layers, snapshot)"
                " VALUES (?, ?, ?, ?, 'created', 0, ?, ?, ?, ?, 0.0, 0.0, 0.0, ?, ?)",
                (
                    identity,
                    _free_name(transaction, wanted),
                    image_id,
                    stack,
                    auto_remove,
                    text,
                    self._owner.register(transaction) if owned else None,
                    now,
                    len(layer_keys) if snapshot is None else snapshot.image_layers,
                    "" if snapshot is None else snapshot.id,
                ),
            )
            self._leases.let_go(transaction, layer_keys)
            if volumes:
                from cowl.store.volumes import claim

                lasting = claim(transaction, self._root, identity, volumes, now, passing=auto_remove)
            if networks:
                from cowl.store.networks import enrol

                enrol(transaction, identity, networks)
            container_event(transaction, identity, "create")
        self._make_directories(identity, layer_keys, lasting)
        return self.get(identity)

    def _make_directories(self, identity: str, layer_keys: Sequence[str], lasting: bool) -> None:
        """`lasting`: what was committed before is to be on disk whatever happens to the machine."""
        directory = self._root.container(identity)
        try:
            if lasting:
                self._database.sync()
            os.mkdir(directory, 0o700)
            os.mkdir(f"{directory}/upper", 0o755)
            os.mkdir(f"{directory}/work", 0o700)
            dress_root(f"{directory}/upper", self._root.diff(layer_keys[-1]) if layer_keys else "")
        except BaseException as problem:  # Ctrl-C too
            delete(self._database, lambda deletion: deletion.drop_container(identity, volumes=True))
            if isinstance(problem, OSError):
                raise from_os(self._root.path, "creating a container", problem) from problem
            raise

    def rename(self, identity: str, name: str) -> None:
        """Gives a container another name, also one that runs. All or nothing.

        Raises NoSuchContainer, NameInUse, NameUnchanged, InvalidName.
        """
        wanted = check_name(name)
        with self._database.write() as transaction:
            row = transaction.row("SELECT name FROM containers WHERE id = ?", (identity,))
            if row is None:
                raise NoSuchContainer(identity)
            if row[0] == wanted:
                raise NameUnchanged(wanted)
            free = _free_name(transaction, wanted)
            transaction.run("UPDATE containers SET name = ? WHERE id = ?", (free, identity))
            container_event(transaction, identity, "rename", {"oldName": f"/{row[0]}"})

    def remove(self, identity: str, *, volumes: bool = False, exit_code: int = KILLED) -> None:
        """Deletes a container with its upper, and its anonymous volumes with `volumes`.

        These go in any case when it was to be removed at its end. `exit_code` is that of a run whose end is
        not recorded. Raises NoSuchContainer, ContainerRunning.
        """

        def body(deletion: Deletion) -> None:
            row = deletion.transaction.row(
                "SELECT name, state, pid, start_time, boot_id,"
                " EXISTS (SELECT 1 FROM container_volumes WHERE container = id)"
                " FROM containers WHERE id = ?",
                (identity,),
            )
            if row is None:
                raise NoSuchContainer(identity)
            if row[1] in ACTIVE and _lives(row[1], row[2:5]):
                raise ContainerRunning(row[0], identity, row[1])
            if row[1] in ACTIVE and row[5]:
                from cowl.store.volumes import note_use

                note_use(deletion.transaction, identity, self._clock())
            deletion.drop_container(identity, volumes=volumes or None, exit_code=exit_code)
            self._owner.retire(deletion.transaction)

        delete(self._database, body, "removing a container")

    def disown_created(self, deletion: Deletion) -> None:
        """At the store's close: what was created and not started stays, unless it was to be removed.

        What an interrupt left without its directories goes too.
        """
        created = "owner = ? AND state = 'created'"
        for identity, auto_remove in deletion.transaction.rows(
            f"SELECT id, auto_remove FROM containers WHERE {created}", (self._owner.id,)
        ):
            if auto_remove or not os.path.isdir(f"{self._root.container(identity)}/work"):
                deletion.drop_container(identity)
        deletion.transaction.run(f"UPDATE containers SET owner = NULL WHERE {created}", (self._owner.id,))

    def find(self, text: str) -> ContainerRecord:
        """The container of a full ID, a name, or the beginning of an ID: in this order.

        Raises NoSuchContainer, AmbiguousContainerId.
        """
        with self._database.snapshot() as database:
            return self._read(
                resolve(
                    database, "containers", text.removeprefix("/"), NoSuchContainer, AmbiguousContainerId
                ),
                text,
            )

    def get(self, identity: str) -> ContainerRecord:
        """The container of a full ID. Raises NoSuchContainer."""
        with self._database.snapshot():
            return self._read(identity, identity)

    def _read(self, identity: str, text: str) -> ContainerRecord:
        row = self._database.row(f"SELECT {_COLUMNS} FROM containers WHERE id = ?", (identity,))
        if row is None:
            raise NoSuchContainer(text)
        return self._record(row, Stacks(self._database, (row[3],)))

    def alive(self) -> frozenset[str]:
        """The IDs of those whose process lives, or will be started again by itself."""
        states = ", ".join(map(repr, ACTIVE))
        rows = self._database.rows(
            f"SELECT id, state, pid, start_time, boot_id FROM containers WHERE state IN ({states})"
        )
        return frozenset(row[0] for row in rows if _lives(row[1], row[2:]))

    def running(self) -> frozenset[str]:
        """The IDs of those whose row says that they run, whether that is still so or not."""
        rows = self._database.rows("SELECT id FROM containers WHERE state IN ('running', 'paused')")
        return frozenset(row[0] for row in rows)

    def is_held(self, identity: str) -> bool:
        """Whether somebody starts, freezes, copies or restores it just now; see `ContainerHold`."""
        from cowl.store.container_hold import is_held

        return is_held(self._root.container(identity))

    def starting(self) -> frozenset[str]:
        """The IDs of those that a living process has made and not started yet."""
        rows = self._database.rows(
            "SELECT containers.id, owners.* FROM containers JOIN owners ON owners.id = owner"
            " WHERE state = 'created'"
        )
        return frozenset(row[0] for row in rows if is_alive(self._root.locks, row[1:]))

    def list(self) -> tuple[ContainerRecord, ...]:
        """All containers, the newest first."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM containers ORDER BY created_at DESC, rowid DESC")
        stacks = Stacks(self._database, (row[3] for row in rows))
        return tuple(self._record(row, stacks) for row in rows)

    def _record(self, row: Row, stacks: Stacks) -> ContainerRecord:
        identity, name, image, stack, state, exit_code, auto_remove, settings = row[:8]
        return ContainerRecord(
            id=identity,
            name=name,
            image_id=image,
            state=state,
            exit_code=exit_code,
            auto_remove=bool(auto_remove),
            process=ProcessId(*row[8:11]) if row[8] is not None else None,
            settings=json.loads(settings),
            created_at=row[11],
            started_at=row[12],
            finished_at=row[13],
            directory=self._root.container(identity),
            stack=Stack(stacks, stack),
            size_bytes=row[14],
            allocated_bytes=row[15],
            overhead_bytes=row[16],
            image_layers=row[17],
            snapshot_id=row[18],
            restarts=row[19],
            wish=row[20],
            monitored=bool(row[21]),
            error=row[22],
            cgroup=row[23],
            oom_killed=bool(row[24]),
        )


def _lives(state: str, process: Row) -> bool:
    """Whether an active container has a process, or will have one again."""
    return state == "restarting" or (process[0] is not None and ProcessId(*process).alive())


def _used_stack(
    transaction: Transaction,
    image_id: str,
    layer_keys: Sequence[str],
    snapshot: SnapshotRecord | None,
    now: float,
) -> int:
    """The stack that a new container stands on; what it comes from is used now. Raises as `create`."""
    there = image_id and transaction.run("UPDATE images SET last_used = ? WHERE id = ?", (now, image_id))
    if snapshot is not None:
        return _stack_of_snapshot(transaction, snapshot, now)
    if image_id and not there:
        raise NoSuchImage(image_id)
    return stack_of_image(transaction, image_id, layer_keys)


def _stack_of_snapshot(transaction: Transaction, snapshot: SnapshotRecord, now: float) -> int:
    row = transaction.row("SELECT stack FROM snapshots WHERE id = ?", (snapshot.id,))
    if row is None:
        from cowl.store.snapshot_record import NoSuchSnapshot

        raise NoSuchSnapshot(snapshot.name or snapshot.id)
    transaction.run("UPDATE snapshots SET last_used = ? WHERE id = ?", (now, snapshot.id))
    return int(row[0])


def _free_name(transaction: Transaction, wanted: str) -> str:
    def holder(name: str) -> str:
        row = transaction.row("SELECT id FROM containers WHERE name = ?", (name,))
        return str(row[0]) if row else ""

    if not wanted:
        return made_up_name(os.urandom(4), lambda name: bool(holder(name)))
    if holder(wanted):
        raise NameInUse(wanted, holder(wanted))
    return wanted
