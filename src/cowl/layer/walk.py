"""A walk over a tree on disk: every node once, parents first, no link followed, any depth.

Holds few file descriptors however deep the tree is: directories far up are closed and found again by
"..", checked to be the same. A directory that an ordinary user has closed to himself (a RUN may) is
opened for the time of its visit and gets its mode back.
"""

from __future__ import annotations

import errno
import os
from stat import S_ISDIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    Entry: TypeAlias = "tuple[str, os.stat_result]"
    Order: TypeAlias = "Callable[[list[Entry]], None]"
    Step: TypeAlias = "tuple[Frame, str, os.stat_result, Frame | None]"

_OPEN_LIMIT = 64  # directories held open at once
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Frame:
    """A directory being walked. `path` is relative to the top ("" for the top itself), `fd` is open
    as long as its own entries are being given, `status` is its lstat."""

    __slots__ = ("entries", "fd", "path", "restore", "status")

    def __init__(self, fd: int, path: str, status: os.stat_result, restore: int = -1) -> None:
        self.fd = fd
        self.path = path
        self.status = status
        self.restore = restore
        self.entries: list[Entry] = []

    def read(self, order: Order | None) -> None:
        """Takes the lstat of every entry at once; one that vanishes meanwhile is left out."""
        found = self.entries
        with os.scandir(self.fd) as scan:
            for entry in scan:
                try:
                    found.append((entry.name, entry.stat(follow_symlinks=False)))
                except FileNotFoundError:
                    continue
        if order:
            order(found)
            found.reverse()

    def close(self) -> None:
        """Gives a mode back that was changed for reading."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        try:
            if self.restore >= 0:
                os.fchmod(fd, self.restore)
        finally:
            os.close(fd)


def by_name(entries: list[Entry]) -> None:
    """The order of the names' bytes."""
    entries.sort(key=lambda entry: os.fsencode(entry[0]))


def walk(top: str, order: Order | None = by_name, *, forced: bool = True) -> Iterator[Step]:
    """Gives (parent, name, lstat, inside) of every node below the directory `top`, which is not given.

    `inside` is the opened frame of a directory, else None; its entries come next. `order` sorts a
    directory's entries in place (None: as the file system gives them). Without `forced` a directory that
    is closed to us is an error, PermissionError, and stays as it is. Raises OSError.
    """
    first = _open_top(top, forced=forced)
    trail = [first]
    try:
        first.read(order)
        while trail:
            frame = trail[-1]
            if not frame.entries:
                _leave(trail)
                continue
            name, status = frame.entries.pop()
            inside = _enter(trail, name, status, forced=forced) if S_ISDIR(status.st_mode) else None
            if inside:
                inside.read(order)
            yield frame, name, status, inside
            if inside and len(trail) > _OPEN_LIMIT:
                _suspend(trail[-_OPEN_LIMIT - 1])
    finally:
        for frame in reversed(trail):
            frame.close()


def _open_top(top: str, *, forced: bool) -> Frame:
    status = os.stat(top)
    try:
        return Frame(os.open(top, _DIRECTORY & ~os.O_NOFOLLOW), "", status)
    except PermissionError:
        if not forced:
            raise
        return _force(os.open(top, os.O_PATH | _DIRECTORY & ~os.O_NOFOLLOW), "", status)


def _enter(trail: list[Frame], name: str, status: os.stat_result, *, forced: bool) -> Frame | None:
    """Opens a directory; None when it vanished or was replaced meanwhile (a container may write)."""
    parent = trail[-1]
    path = f"{parent.path}/{name}" if parent.path else name
    try:
        frame = Frame(os.open(name, _DIRECTORY, dir_fd=parent.fd), path, status)
    except PermissionError:
        if not forced:
            raise
        frame = _force(os.open(name, os.O_PATH | _DIRECTORY, dir_fd=parent.fd), path, status)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    trail.append(frame)
    return frame


def _force(handle: int, path: str, status: os.stat_result) -> Frame:
    """Opens what an O_PATH descriptor, which is closed, stands for, giving its owner the right to."""
    try:
        os.chmod(f"/proc/self/fd/{handle}", status.st_mode & 0o7777 | 0o500)
        fd = os.open(".", _DIRECTORY, dir_fd=handle)
    finally:
        os.close(handle)
    return Frame(fd, path, status, status.st_mode & 0o7777)


def _suspend(frame: Frame) -> None:
    if frame.restore < 0 and frame.fd >= 0:
        frame.close()


def _leave(trail: list[Frame]) -> None:
    done = trail.pop()
    try:
        if trail and trail[-1].fd < 0:
            _resume(trail[-1], done.fd)
    finally:
        done.close()


def _resume(parent: Frame, child_fd: int) -> None:
    fd = os.open("..", _DIRECTORY, dir_fd=child_fd)
    found = os.fstat(fd)
    if (found.st_dev, found.st_ino) != (parent.status.st_dev, parent.status.st_ino):
        os.close(fd)
        raise OSError(errno.ESTALE, "a directory was moved while it was read", parent.path)
    parent.fd = fd
