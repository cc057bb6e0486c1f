"""Disk: fresh figures for what is too alive to have one in its row."""

from __future__ import annotations

import os

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl.store.root_directory import RootDirectory
    from cowl.store.rows import ContainerRow

_BLOCK = 512  # of st_blocks, stat(2)
SETTLED_SECONDS = 60  # Linux writes back what is older than 30 (vm.dirty_expire_centisecs)
_ATTEMPTS = 5  # a tree may lose a file between listing and looking while its container works


class ContainerMeasure(Value):
    """A container's bytes: its upper (apparent and on disk), and on disk the rest of its directory."""

    size_bytes: int
    allocated_bytes: int
    overhead_bytes: int


def recorded(row: ContainerRow) -> ContainerMeasure | None:
    """The measure in its row, if it was taken when the container's files had come to rest.

    Until a file is written back, the file system may not know how many blocks it will take.
    """
    if row.size_bytes is None or row.allocated_bytes is None or row.overhead_bytes is None:
        return None
    if row.state != "exited" or row.measured_at - row.finished_at < SETTLED_SECONDS:
        return None
    return ContainerMeasure(row.size_bytes, row.allocated_bytes, row.overhead_bytes)


def measure_container(root: RootDirectory, row: ContainerRow) -> ContainerMeasure:
    """A fresh look at a container's directory. One that just went takes nothing."""
    from cowl.layer.measure import measure

    directory = root.container(row.id)
    for _ in range(_ATTEMPTS):
        try:
            upper = measure(f"{directory}/upper")
            return ContainerMeasure(upper.size_bytes, upper.allocated_bytes, overhead_bytes(directory))
        except FileNotFoundError:
            if not os.path.isdir(directory):
                break
    return ContainerMeasure(0, 0, 0)


def measure_cache(root: RootDirectory, identity: str) -> tuple[int, int]:
    """(apparent bytes, blocks on disk of its whole directory) of a cache mount; nothing of one that went."""
    from cowl.layer.measure import measure

    directory = root.cache(identity)
    for _ in range(_ATTEMPTS):
        try:
            data = measure(f"{directory}/data")
            return data.size_bytes, data.allocated_bytes + _own_bytes(directory)
        except FileNotFoundError:
            if not os.path.isdir(directory):
                break
    return 0, 0


def overhead_bytes(directory: str) -> int:
    """Blocks on disk of a container's directory without its upper."""
    return _own_bytes(directory) + _children_bytes(directory, skip=("upper",))


def measure_rest(root: RootDirectory) -> tuple[int, int]:
    """Blocks on disk of (metadata, staging and trash): all but layers, containers and caches."""
    content = (root.layers, root.containers, root.caches, root.staging, root.trash)
    metadata = _own_bytes(root.path) + sum(map(_own_bytes, content))
    metadata += _children_bytes(root.path, skip=[os.path.basename(path) for path in content])
    return metadata, _children_bytes(root.staging) + _children_bytes(root.trash)


def _own_bytes(path: str) -> int:
    return os.lstat(path).st_blocks * _BLOCK


def _children_bytes(directory: str, skip: Iterable[str] = ()) -> int:
    """All below a directory, without itself. What vanishes meanwhile takes nothing."""
    total = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name not in skip:
                    total += _entry_bytes(entry)
    except (FileNotFoundError, PermissionError):  # overlayfs's work/work has mode 0, and is empty
        return total
    return total


def _entry_bytes(entry: os.DirEntry[str]) -> int:
    try:
        own = entry.stat(follow_symlinks=False).st_blocks * _BLOCK
    except FileNotFoundError:
        return 0
    return own + (_children_bytes(entry.path) if entry.is_dir(follow_symlinks=False) else 0)
