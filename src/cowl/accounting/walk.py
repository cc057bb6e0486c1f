"""The walk: every inode below a root, counted once, by somebody who knows nothing of rows.

It shares no code with the ledger or the measures that this one reads, so that it can contradict them.
"""

from __future__ import annotations

import errno
import os
import stat

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 512  # st_blocks counts these, whatever the file system's own block size: stat(2)
_CONTENT = ("layers", "containers", "caches", "volumes", "blobs", "staging", "trash")
METADATA = "metadata"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class SharedPlaces(Value):
    """Inodes that have names in exactly these places."""

    places: tuple[str, ...]
    inodes: int
    allocated_bytes: int


class Walk(Value):
    """What lies on disk, in allocated bytes. A place is "layers/<key>", "containers/<id>", "caches/<id>",
    "volumes/<name>", "blobs/<x>", "staging/<x>", "trash/<x>", or "metadata" for all else.

    owners  ((place, bytes), ...), sorted: an inode counts in the first place that has a name of it
    shown   the same, but an inode counts once in each place that has one
    shared  the inodes that make the difference
    logs    ((container, bytes), ...): what of a container's bytes is its log
    """

    total_allocated_bytes: int
    owners: tuple[tuple[str, int], ...]
    shown: tuple[tuple[str, int], ...] = ()
    shared: tuple[SharedPlaces, ...] = ()
    logs: tuple[tuple[str, int], ...] = ()

    def under(self, place: str) -> dict[str, int]:
        """The bytes of everything in "layers", "containers", ... by name, as in `owners`."""
        start = f"{place}/"
        return {name.removeprefix(start): size for name, size in self.owners if name.startswith(start)}


def verify(root: str) -> Walk:
    """Walks a whole store, in sorted order. Raises OSError (ESTALE) if a directory moves meanwhile."""
    count = _Count()
    for path, status in _nodes(root):
        count.add(path, status)
    return count.walk()


class _Count:
    """The bytes met so far."""

    def __init__(self) -> None:
        self.owners: dict[str, int] = {METADATA: 0}
        self.shown: dict[str, int] = {METADATA: 0}
        self.logs: dict[str, int] = {}
        self._linked: dict[tuple[int, int], tuple[int, list[str]]] = {}

    def add(self, path: str, status: os.stat_result) -> None:
        place, size = _place(path), status.st_blocks * _BLOCK
        first = anew = True
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            _, places = self._linked.setdefault((status.st_dev, status.st_ino), (size, []))
            first, anew = not places, place not in places
            if anew:
                places.append(place)
        if first:
            self.owners[place] = self.owners.get(place, 0) + size
        if anew:
            self.shown[place] = self.shown.get(place, 0) + size
            parts = path.split("/", 3)
            if parts[0] == "containers" and parts[2:3] == ["log"]:
                self.logs[parts[1]] = self.logs.get(parts[1], 0) + size

    def walk(self) -> Walk:
        groups: dict[tuple[str, ...], list[int]] = {}
        for size, places in self._linked.values():
            if len(places) > 1:
                found = groups.setdefault(tuple(sorted(places)), [0, 0])
                found[0] += 1
                found[1] += size
        return Walk(
            sum(self.owners.values()),
            tuple(sorted(self.owners.items())),
            tuple(sorted(self.shown.items())),
            tuple(SharedPlaces(places, *found) for places, found in sorted(groups.items())),
            tuple(sorted(self.logs.items())),
        )


def _place(path: str) -> str:
    top, _, rest = path.partition("/")
    return f"{top}/{rest.partition('/')[0]}" if rest and top in _CONTENT else METADATA


class _Level:
    """A directory on the way down: the names still to be looked at, and the mode to give it back."""

    __slots__ = ("identity", "left", "path", "restore")

    def __init__(self, fd: int, path: str, restore: int = -1) -> None:
        status = os.fstat(fd)
        self.identity = (status.st_dev, status.st_ino)
        self.path = path
        self.restore = restore
        self.left = sorted(os.listdir(fd), reverse=True)


def _nodes(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """(path below the root, lstat) of every node, the root first. One directory is open at a time, so that
    trees may be of any depth; what vanishes meanwhile is left out."""
    yield "", os.stat(root)
    fd = os.open(root, _DIRECTORY & ~os.O_NOFOLLOW)
    trail: list[_Level] = []
    try:
        trail.append(_Level(fd, ""))
        while trail:
            level = trail[-1]
            if not level.left:
                fd = _up(fd, trail)
                continue
            name = level.left.pop()
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            path = f"{level.path}/{name}" if level.path else name
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                fd = _down(fd, name, path, trail)
    finally:
        while trail:
            fd = _up(fd, trail)


def _down(fd: int, name: str, path: str, trail: list[_Level]) -> int:
    """The directory's own descriptor in place of `fd`; `fd` itself if it has gone or may not be read."""
    try:
        inside, restore = _enter(fd, name)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return fd
    os.close(fd)
    trail.append(_Level(inside, path, restore))
    return inside


def _enter(fd: int, name: str) -> tuple[int, int]:
    """Opens a directory; one that an ordinary user closed to himself gets its mode back later."""
    if os.geteuid() == 0:
        return os.open(name, _DIRECTORY, dir_fd=fd), -1
    handle = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=fd)
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        if mode & 0o500 == 0o500:
            return os.open(".", _DIRECTORY, dir_fd=handle), -1
        os.chmod(f"/proc/self/fd/{handle}", mode | 0o500)
        return os.open(".", _DIRECTORY, dir_fd=handle), mode
    finally:
        os.close(handle)


def _up(fd: int, trail: list[_Level]) -> int:
    """The parent's descriptor in place of `fd`, which is closed; -1 above the root."""
    level = trail.pop()
    try:
        if not trail:
            return -1
        above = os.open("..", _DIRECTORY, dir_fd=fd)
        status = os.fstat(above)
        if (status.st_dev, status.st_ino) != trail[-1].identity:
            os.close(above)
            trail.clear()
            raise OSError(errno.ESTALE, "a directory was moved while it was walked", level.path)
        return above
    finally:
        if level.restore >= 0:
            os.fchmod(fd, level.restore)
        os.close(fd)
