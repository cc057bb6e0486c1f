"""Volumes: directories that outlive containers and are shared by them. Decision 0024.

A volume is a row and `volumes/<name>/data`. It is filled from an image at most once, while it is empty:
a copy is made in staging/, renamed to `volumes/<name>/fill`, and moved from there entry by entry. Whoever
finds a `fill` goes on with it, so a crash leaves no volume half filled. `data` itself is never replaced,
since a running container may have it mounted.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os

from cowl.linux.files import fsync_dir, remove_tree, syncfs
from cowl.linux.syscalls import call
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

_NO_REPLACE = 1  # RENAME_NOREPLACE, renameat2(2)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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
            made = _make(transaction, self._root, wanted, not name, text, self._clock())
            if made:
                fsync_dir(self._root.volumes)
        with self._database.write() as transaction:
            self._owner.retire(transaction)
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
        found = self._database.rows("SELECT id FROM containers WHERE state = 'running'")
        running = frozenset(row[0] for row in found)
        return measured_volumes(self._database, rows, running, self._clock)[name]

    def fill(self, name: str, view: MergedView, path: str, *, durable: bool = True) -> None:
        """Copies what the directory `path` of the view holds into the volume, if that is empty.

        Owners, modes, extended attributes and times are kept, those of the directory itself too. Nothing
        is followed out of the view: links in `path` lead to what they name in it. A path that the view
        lacks changes nothing. `durable`: on disk, whatever happens to the machine, before it is seen.
        Raises WrongKind where the view has a file at `path`, VolumeDamaged, StoreFull.
        """
        try:
            self._finish(name)
            if self._is_empty(name):
                self._fill(name, view, path, durable)
        except OSError as problem:
            raise from_os(self._root.path, f"filling the volume {name}", problem) from problem

    def _fill(self, name: str, view: MergedView, path: str, durable: bool) -> None:
        from cowl.layer.copy_out import copy_out

        with self._layers.stage() as stage:
            try:
                if not copy_out(view, path, stage.diff):
                    return
                if durable:
                    _sync(stage.diff)
                with _Lock(self._root.volume(name)):
                    if self._is_empty(name):
                        os.rename(stage.diff, f"{self._root.volume(name)}/fill")
                        _move_all(self._root.volume(name))
            except OSError as problem:  # before the stage takes it for a layer's
                raise from_os(self._root.path, f"filling the volume {name}", problem) from problem

    def _finish(self, name: str) -> None:
        directory = self._root.volume(name)
        if os.path.lexists(f"{directory}/fill"):
            with _Lock(directory):
                _move_all(directory)

    def _is_empty(self, name: str) -> bool:
        path = self._root.volume_data(name)
        try:
            with os.scandir(path) as entries:
                return next(entries, None) is None
        except FileNotFoundError:
            raise VolumeDamaged(name, path) from None
        except PermissionError:  # a container has closed it to its owner, an ordinary user
            return False


def claim(
    transaction: Transaction, root: RootDirectory, container: str, claims: Sequence[Claim], now: float
) -> Sequence[Claim]:
    """Gives a new container its volumes; those that are missing are made, and given back.

    A claim by name makes an anonymous volume one that is kept. Raises InvalidVolumeName, VolumeDamaged.
    """
    made = []
    for each in claims:
        check_volume_name(each.name)
        if _make(transaction, root, each.name, each.anonymous, "{}", now):
            made.append(each)
        else:
            _take(transaction, root, each, now)
        transaction.run("INSERT INTO container_volumes VALUES (?, ?, ?)", (container, each.name, each.target))
    if made:
        fsync_dir(root.volumes)
    return made


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
    fsync_dir(path)
    transaction.run(
        "INSERT INTO volumes VALUES (?, ?, ?, ?, ?, 0, 0, 0)", (name, anonymous, labels, now, now)
    )
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
    deletion.discard("volume", name, directory)


class _Lock:
    """A `with` block in which nobody else moves anything into a volume."""

    def __init__(self, directory: str, flags: int = fcntl.LOCK_EX) -> None:
        self._directory = directory
        self._flags = flags

    def __enter__(self) -> None:
        self._fd = os.open(self._directory, _DIRECTORY)
        try:
            fcntl.flock(self._fd, self._flags)
        except BaseException:
            os.close(self._fd)
            raise

    def __exit__(self, *_failure: object) -> None:
        os.close(self._fd)


def finish_filling(directory: str) -> None:
    """Goes on where a crash ended the filling of a volume, unless a live process is at it. Raises OSError."""
    try:
        with _Lock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB):
            _move_all(directory)
    except BlockingIOError:
        pass


def _move_all(directory: str) -> None:
    """Moves what lies in a volume's `fill` to its `data`, whose owner and mode become those of `fill`.

    What is in `data` is never replaced: a container may be writing there already. Raises OSError; then
    another call goes on.
    """
    from cowl.layer.copy_out import dress

    try:
        source = os.open(f"{directory}/fill", _DIRECTORY)
    except FileNotFoundError:
        return  # another was first
    try:
        target = os.open(f"{directory}/data", _DIRECTORY)
        try:
            for name in os.listdir(source):
                _move(source, target, name)
            dress(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)
    remove_tree(f"{directory}/fill")


def _move(source: int, target: int, name: str) -> None:
    word = os.fsencode(name)
    try:
        call("renameat2", source, word, target, word, _NO_REPLACE)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise


def _sync(path: str) -> None:
    fd = os.open(path, _DIRECTORY)
    try:
        syncfs(fd)
    finally:
        os.close(fd)
