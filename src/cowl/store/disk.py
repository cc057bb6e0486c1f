"""Disk: fresh figures for what is too alive to have one in its row."""

from __future__ import annotations

import errno
import os
from stat import S_ISDIR

from cowl.store.faults import StoreFull
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cowl.store.database import Database
    from cowl.store.root_directory import RootDirectory
    from cowl.store.rows import ContainerRow, VolumeRow

_BLOCK = 512  # of st_blocks, stat(2)
SETTLED_SECONDS = 60  # Linux writes back what is older than 30 (vm.dirty_expire_centisecs)
_ATTEMPTS = 5  # a tree may lose a file between listing and looking while its container works


class ContainerMeasure(Value):
    """A container's bytes.

    size_bytes       of its upper, apparent
    allocated_bytes  of its upper, on disk
    overhead_bytes   on disk, of the rest of its directory but the log
    log_bytes        on disk, of its log
    """

    size_bytes: int
    allocated_bytes: int
    overhead_bytes: int
    log_bytes: int = 0

    @property
    def total_allocated_bytes(self) -> int:
        """On disk, of all: what its removal frees."""
        return self.allocated_bytes + self.overhead_bytes + self.log_bytes


class Rest(Value):
    """Bytes on disk of what is no layer, container, cache mount or volume.

    staging_bytes   what is half-made, and what is on its way out
    blob_bytes      compressed blobs
    metadata_bytes  all else: the database, locks, the reserve, and the directories that hold the rest
    """

    metadata_bytes: int
    staging_bytes: int
    blob_bytes: int


def is_settled(row: ContainerRow) -> bool:
    """Whether its figures were taken when the container's files had come to rest.

    Until a file is written back, the file system may not know how many blocks it will take.
    """
    return (
        row.size_bytes is not None
        and row.state == "exited"
        and row.measured_at - row.finished_at >= SETTLED_SECONDS
    )


def recorded(root: RootDirectory, row: ContainerRow) -> ContainerMeasure | None:
    """The measure in its row, if it still holds; its log is looked at."""
    if row.size_bytes is None or row.allocated_bytes is None or row.overhead_bytes is None:
        return None
    if not is_settled(row):
        return None
    log = log_bytes(root.container(row.id))
    return ContainerMeasure(row.size_bytes, row.allocated_bytes, row.overhead_bytes, log)


def measure_container(root: RootDirectory, row: ContainerRow) -> ContainerMeasure:
    """A fresh look at a container's directory. One that just went takes nothing; neither does an upper."""
    from cowl.layer.measure import measure

    directory = root.container(row.id)
    for _ in range(_ATTEMPTS):
        try:
            upper = measure(f"{directory}/upper")
            return ContainerMeasure(
                upper.size_bytes, upper.allocated_bytes, overhead_bytes(directory), log_bytes(directory)
            )
        except OSError as problem:
            if not _moved(problem):
                raise
    try:
        return ContainerMeasure(0, 0, overhead_bytes(directory), log_bytes(directory))
    except FileNotFoundError:
        return ContainerMeasure(0, 0, 0)


def measure_cache(root: RootDirectory, identity: str) -> tuple[int, int]:
    """(apparent bytes, bytes on disk) of a cache mount's whole directory; nothing of one that went."""
    return _measure_whole(root.cache(identity))


def measure_volume(root: RootDirectory, name: str) -> tuple[int, int]:
    """(apparent bytes, bytes on disk) of a volume's whole directory; nothing of one that went."""
    return _measure_whole(root.volume(name))


def _measure_whole(directory: str) -> tuple[int, int]:
    from cowl.layer.measure import measure

    for _ in range(_ATTEMPTS):
        try:
            found = measure(directory)
            return found.size_bytes, found.allocated_bytes
        except OSError as problem:
            if not _moved(problem):
                raise
    return 0, 0


def measured_volumes(
    database: Database, rows: Sequence[VolumeRow], running: frozenset[str], clock: Callable[[], float]
) -> dict[str, tuple[int, int]]:
    """See `Measures.volumes`."""
    found, settled = {}, []
    for row in rows:
        idle = running.isdisjoint(row.containers)
        if idle and row.measured_at:
            found[row.name] = (row.size_bytes, row.allocated_bytes)
            continue
        found[row.name] = measure_volume(database.root, row.name)
        if idle and row.last_used < clock() - SETTLED_SECONDS:
            settled.append((*found[row.name], clock(), row.name, row.last_used))
    if settled:
        _record_volumes(database, settled)
    return found


def _record_volumes(database: Database, measures: Sequence[tuple[int, int, float, str, float]]) -> None:
    """Unless somebody has used one meanwhile, or the disk is full: then another time."""
    try:
        with database.write() as transaction:
            for measure in measures:
                transaction.run(
                    "UPDATE volumes SET size_bytes = ?, allocated_bytes = ?, measured_at = ?"
                    " WHERE name = ? AND last_used = ?",
                    measure,
                )
    except StoreFull:
        pass


def _moved(problem: OSError) -> bool:
    """Whether a tree only changed while it was walked."""
    return problem.errno in (errno.ENOENT, errno.ESTALE)


def overhead_bytes(directory: str) -> int:
    """Bytes on disk of a container's directory without its upper and its log."""
    return _own_bytes(directory) + _children_bytes(directory, skip=("upper", "log"))


def log_bytes(directory: str) -> int:
    """Bytes on disk of a container's log."""
    path = f"{directory}/log"
    try:
        return _own_bytes(path) + _children_bytes(path)
    except FileNotFoundError:
        return 0


def tree_bytes(path: str) -> int:
    """Bytes on disk of whatever there is at a path, with all below it; 0 of what went."""
    for _ in range(_ATTEMPTS):
        try:
            if not S_ISDIR(os.lstat(path).st_mode):
                return _own_bytes(path)
            from cowl.layer.measure import measure

            return measure(path).allocated_bytes
        except FileNotFoundError:
            if not os.path.lexists(path):
                break
        except OSError as problem:
            if not _moved(problem):
                raise
    return 0


def measure_rest(root: RootDirectory) -> Rest:
    """A fresh look at all but layers, containers, cache mounts and volumes."""
    content = (
        root.layers,
        root.containers,
        root.caches,
        root.volumes,
        root.blobs,
        root.staging,
        root.trash,
    )
    metadata = os.stat(root.path).st_blocks * _BLOCK + sum(map(_own_bytes, content))
    metadata += _children_bytes(root.path, skip=[os.path.basename(path) for path in content])
    staging = _content_bytes(root.staging) + _content_bytes(root.trash)
    return Rest(metadata, staging, _content_bytes(root.blobs))


def _content_bytes(directory: str) -> int:
    return sum(tree_bytes(f"{directory}/{name}") for name in os.listdir(directory))


def _own_bytes(path: str) -> int:
    return os.lstat(path).st_blocks * _BLOCK


def _children_bytes(directory: str, skip: Iterable[str] = ()) -> int:
    """All below a directory of the engine's own making, without itself. What vanishes takes nothing."""
    total = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name not in skip:
                    total += _entry_bytes(entry)
    except (
        FileNotFoundError,
        NotADirectoryError,
        PermissionError,
    ):  # overlayfs's work/work has mode 0, and is empty
        return total
    return total


def _entry_bytes(entry: os.DirEntry[str]) -> int:
    try:
        own = entry.stat(follow_symlinks=False).st_blocks * _BLOCK
    except FileNotFoundError:
        return 0
    return own + (_children_bytes(entry.path) if entry.is_dir(follow_symlinks=False) else 0)
