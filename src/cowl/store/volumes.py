"""Volumes: directories that outlive containers and are shared by them. Decision 0024.

A volume is a row and `volumes/<name>/data`. `cowl.store.filling` says how it begins with an image's files.
"""

from __future__ import annotations

import json
import os

from cowl.linux.files import fsync_dir, remove_tree
from cowl.store.event_log import write_event
from cowl.store.faults import from_os
from cowl.store.garbage import delete
from cowl.store.rows import volume_rows
from cowl.store.volume_record import NoSuchVolume as NoSuchVolume
from cowl.store.volume_record import VolumeDamaged as VolumeDamaged
from cowl.store.volume_record import VolumeInUse as VolumeInUse
from cowl.store.volume_record import VolumeRecord as VolumeRecord
from cowl.store.volume_record import check_volume_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cowl.layer.view import MergedView
    from cowl.store.database import Database
    from cowl.store.garbage import Deletion
    from cowl.store.layers import Layers
    from cowl.store.owner import Owner
    from cowl.store.root_directory import RootDirectory
    from cowl.store.rows import VolumeRow
    from cowl.store.transaction import Transaction
    from cowl.store.volume_record import Claim


class Volumes:
    """The volumes of a store."""

    def __init__(self, database: Database, owner: Owner, layers: Layers, clock: Callable[[], float]) -> None:
        self._database = database
        self._root = database.root
        self._owner = owner
        self._layers = layers
        self._clock = clock

    def create(self, name: str = "", labels: Mapping[str, str] | None = None) -> VolumeRecord:
        """A new, empty volume; the one of that name if it is there, whatever its labels, as Docker.

        Without a name it gets 64 hex digits and is anonymous. When this returns it is on disk whatever
        happens to the machine. Raises InvalidVolumeName, StoreFull.
        """
        wanted = check_volume_name(name) if name else os.urandom(32).hex()
        text = json.dumps(dict(labels or {}), separators=(",", ":"))
        with self._database.write(durable=True, doing="creating a volume") as transaction:
            self._owner.register(transaction)  # so that a crash before the commit is seen
            if _make(transaction, self._root, wanted, not name, text, self._clock()):
                _sync_directories(self._root, [wanted])
        with self._database.write() as transaction:
            self._owner.leave(transaction)
        return self.get(wanted)

    def get(self, name: str) -> VolumeRecord:
        """The volume of a name. Raises NoSuchVolume."""
        found = [row for row in volume_rows(self._database) if row.name == name]
        if not found:
            raise NoSuchVolume(name)
        return self._record(found[0])

    def list(self) -> tuple[VolumeRecord, ...]:
        """All volumes in the order of their names."""
        return tuple(map(self._record, volume_rows(self._database)))

    def _record(self, row: VolumeRow) -> VolumeRecord:
        return VolumeRecord(
            name=row.name,
            anonymous=row.anonymous,
            labels=tuple(json.loads(row.labels).items()),
            created_at=row.created_at,
            last_used=row.last_used,
            path=self._root.volume_data(row.name),
            containers=row.containers,
        )

    def remove(self, name: str) -> None:
        """Deletes a volume with all that is in it. Raises NoSuchVolume, VolumeInUse."""

        def body(deletion: Deletion) -> None:
            if not deletion.transaction.row("SELECT 1 FROM volumes WHERE name = ?", (name,)):
                raise NoSuchVolume(name)
            deletion.drop_volume(name)

        delete(self._database, body, "removing a volume")

    def measure(self, name: str) -> tuple[int, int]:
        """(apparent bytes, bytes on disk of the whole directory), as recorded or looked at afresh.

        Raises NoSuchVolume.
        """
        from cowl.store.disk import measured_volumes

        rows = [row for row in volume_rows(self._database) if row.name == name]
        if not rows:
            raise NoSuchVolume(name)
        found = self._database.rows(
            "SELECT id FROM containers WHERE state IN ('running', 'paused', 'restarting')"
        )
        running = frozenset(row[0] for row in found)
        return measured_volumes(self._database, rows, running, self._clock)[name]

    def fill(self, name: str, view: MergedView, path: str, *, durable: bool = True) -> None:
        """Copies what the directory `path` of the view holds into the volume, if that is empty.

        Owners, modes, extended attributes and times are kept, those of the directory itself too. Nothing
        is followed out of the view: links in `path` lead to what they name in it. A path that the view
        lacks changes nothing. `durable`: on disk, whatever happens to the machine, before it is seen.
        Raises WrongKind where the view has a file at `path`, VolumeDamaged, StoreFull.
        """
        from cowl.store.filling import Filling

        try:
            Filling(self._root, name, self._layers).fill(view, path, durable)
        except OSError as problem:
            raise from_os(self._root.path, f"filling the volume {name}", problem) from problem


def claim(
    transaction: Transaction,
    root: RootDirectory,
    container: str,
    claims: Sequence[Claim],
    now: float,
    *,
    passing: bool,
) -> bool:
    """Gives a new container its volumes, making those that are missing; whether some were made to last.

    passing  the container goes at its end, and so do volumes that are made here without a name
    A claim by name makes an anonymous volume one that is kept. Raises InvalidVolumeName, VolumeDamaged.
    """
    lasting = []
    for each in claims:
        check_volume_name(each.name)
        if not _make(transaction, root, each.name, each.anonymous, "{}", now):
            _take(transaction, root, each, now)
        elif not (each.anonymous and passing):
            lasting.append(each.name)
        transaction.run("INSERT INTO container_volumes VALUES (?, ?, ?)", (container, each.name, each.target))
    _sync_directories(root, lasting)
    return bool(lasting)


def _sync_directories(root: RootDirectory, names: Sequence[str]) -> None:
    for name in names:
        fsync_dir(root.volume(name))
    if names:
        fsync_dir(root.volumes)


def _take(transaction: Transaction, root: RootDirectory, wish: Claim, now: float) -> None:
    path = root.volume_data(wish.name)
    if not os.path.isdir(path):
        raise VolumeDamaged(wish.name, path)
    transaction.run(
        "UPDATE volumes SET last_used = ?, measured_at = 0, anonymous = anonymous AND ? WHERE name = ?",
        (now, wish.anonymous, wish.name),
    )


def _make(
    transaction: Transaction, root: RootDirectory, name: str, anonymous: bool, labels: str, now: float
) -> bool:
    """A row and a directory, unless they are there. The caller has registered this process as owner."""
    if transaction.row("SELECT 1 FROM volumes WHERE name = ?", (name,)):
        return False
    path = root.volume(name)
    transaction.undo(lambda: remove_tree(path))
    os.mkdir(path, 0o700)
    os.mkdir(f"{path}/data")
    os.chmod(f"{path}/data", 0o755)
    transaction.run(
        "INSERT INTO volumes VALUES (?, ?, ?, ?, ?, 0, 0, 0)", (name, anonymous, labels, now, now)
    )
    write_event(transaction, "volume", "create", name, {"driver": "local"})
    return True


def note_use(transaction: Transaction, container: str, now: float) -> None:
    """Records that a container has just let go of its volumes: their figures are not to be believed."""
    transaction.run(
        "UPDATE volumes SET last_used = ?, measured_at = 0"
        " WHERE name IN (SELECT volume FROM container_volumes WHERE container = ?)",
        (now, container),
    )


def anonymous_of(transaction: Transaction, container: str) -> Sequence[str]:
    """The names of the volumes that go with a container: anonymous, and no other container has them."""
    rows = transaction.rows(
        "SELECT DISTINCT name FROM volumes JOIN container_volumes AS mine ON mine.volume = name"
        " WHERE mine.container = ?1 AND anonymous AND NOT EXISTS"
        " (SELECT 1 FROM container_volumes WHERE volume = name AND container <> ?1)",
        (container,),
    )
    return [row[0] for row in rows]


def users_of(transaction: Transaction, name: str) -> Sequence[str]:
    """The IDs of the containers that have a volume, running or not."""
    rows = transaction.rows(
        "SELECT DISTINCT container FROM container_volumes WHERE volume = ? ORDER BY container", (name,)
    )
    return [row[0] for row in rows]


def drop_volume(deletion: Deletion, name: str, directory: str) -> None:
    """See `Deletion.drop_volume`."""
    users = users_of(deletion.transaction, name)
    if users:
        raise VolumeInUse(name, users)
    deletion.transaction.run("DELETE FROM volumes WHERE name = ?", (name,))
    write_event(deletion.transaction, "volume", "destroy", name, {"driver": "local"})
    deletion.discard("volume", name, directory)
