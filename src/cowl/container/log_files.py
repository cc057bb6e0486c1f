"""The files of a log as one sequence of lines, oldest first, while the writer may rotate them."""

from __future__ import annotations

import os

from cowl.container.json_log import NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 1 << 16
MOST_FILES = 10_000  # of one log: more names than that are not looked for


class LogFiles:
    """The open files, from the oldest to the one that is written. Close it.

    Opened are the newest first: what a rotation renames meanwhile is then seen twice, and known by its
    inode, but never missed.
    """

    def __init__(self, directory: str) -> None:
        self._path = f"{directory}/{NAME}"
        self._fds = _open_until(self._path, None)
        self._rest = b""

    def seek_last(self, count: int) -> None:
        """Has `lines` begin with the last `count` lines that are there."""
        wanted = count
        for index in range(len(self._fds) - 1, -1, -1):
            start, found = _start_of_last(self._fds[index], wanted)
            os.lseek(self._fds[index], start, os.SEEK_SET)
            wanted -= found
            if wanted <= 0:
                self._drop(index)
                return

    def lines(self) -> Iterator[bytes]:
        """All whole lines from where we are to the end as it is now; may be called again for later ones."""
        while self._fds:
            yield from self._lines_of(self._fds[0])
            if len(self._fds) > 1:
                self._drop(1)
            elif not self._catch_up():
                return
        self._fds = _open_until(self._path, None)
        if self._fds:
            yield from self.lines()

    def close(self) -> None:
        """Lets go of the files."""
        self._drop(len(self._fds))

    def _lines_of(self, fd: int) -> Iterator[bytes]:
        if os.fstat(fd).st_size < os.lseek(fd, 0, os.SEEK_CUR):  # a log of one file begins anew
            os.lseek(fd, 0, os.SEEK_SET)
            self._rest = b""
        while data := os.read(fd, BLOCK):
            *whole, self._rest = (self._rest + data).split(b"\n")
            yield from whole

    def _catch_up(self) -> bool:
        """Opens what has come after the file that we have read; whether there is any."""
        known = os.fstat(self._fds[0])
        self._fds += _open_until(self._path, (known.st_dev, known.st_ino))
        return len(self._fds) > 1

    def _drop(self, count: int) -> None:
        for fd in self._fds[:count]:
            os.close(fd)
        del self._fds[:count]
        self._rest = b""


def _open_until(path: str, known: tuple[int, int] | None) -> list[int]:
    """Opens the files that are newer than `known` (None: all), oldest first."""
    opened: list[int] = []
    seen = {known}
    missing = 0
    for number in range(MOST_FILES):
        try:
            name = f"{path}.{number}" if number else path
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            missing += 1
            if missing > 1:
                break
            continue  # one name is free between two renames of a rotation
        status = os.fstat(fd)
        identity = (status.st_dev, status.st_ino)
        if identity == known:
            os.close(fd)
            break
        if identity in seen:
            os.close(fd)
            continue
        seen.add(identity)
        opened.insert(0, fd)
    return opened


def _start_of_last(fd: int, count: int) -> tuple[int, int]:
    """(where the last `count` lines of a file begin, how many lines there are from there on)."""
    if count <= 0:
        return os.fstat(fd).st_size, 0
    position = os.fstat(fd).st_size
    found = 0
    while position > 0:
        step = min(BLOCK, position)
        block = os.pread(fd, step, position - step)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            if found == count:
                return position - step + at + 1, found
            found += 1
        position -= step
    return 0, found
