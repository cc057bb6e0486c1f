"""Opening: what an ordinary user's container closed to its owner, readable for as long as somebody reads.

On the single-id rung a container's files are the caller's, so a directory of mode 0 is closed to him too.
While it is open its mode is on record, as it is in a layer that was published.
"""

from __future__ import annotations

import os
from stat import S_IMODE

from cowl.layer.paths import open_inside, open_tree
from cowl.layer.walk import walk
from cowl.linux.override_stat import XATTR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from cowl.layer.owners import Owners

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Opened:
    """A `with` block in which every directory of `tree` can be read; then they are as they were.

    Where owners are real there is nothing to do. Raises OSError.
    """

    def __init__(self, tree: str, owners: Owners) -> None:
        self._tree = tree
        self._owners = owners
        self._closed: list[tuple[str, int, bytes]] = []

    def __enter__(self) -> Self:
        if self._owners.recorded:
            try:
                self._open()
            except BaseException:
                self.close()
                raise
        return self

    def _open(self) -> None:
        for _, _, status, inside in walk(self._tree):
            if inside and inside.restore >= 0:
                uid, gid, mode = self._owners.read(inside.fd, status)
                self._closed.append((inside.path, S_IMODE(status.st_mode), _record(inside.fd)))
                self._owners.apply(inside.fd, uid, gid, mode, directory=True)
                inside.restore = -1

    def close(self) -> None:
        """Closes them again, the innermost first; what a container removed meanwhile is no matter."""
        tree_fd = open_tree(self._tree)
        try:
            while self._closed:
                path, mode, record = self._closed.pop()
                try:
                    fd = open_inside(tree_fd, path, _DIRECTORY)
                except OSError:
                    continue
                _close(fd, mode, record)
        finally:
            os.close(tree_fd)

    def __exit__(self, *_failure: object) -> None:
        if self._closed:
            self.close()


def _record(fd: int) -> bytes:
    return os.getxattr(fd, XATTR) if XATTR in os.listxattr(fd) else b""


def _close(fd: int, mode: int, record: bytes) -> None:
    try:
        if record:
            os.setxattr(fd, XATTR, record)
        elif XATTR in os.listxattr(fd):
            os.removexattr(fd, XATTR)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
