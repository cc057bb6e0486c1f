"""The Protocol of ownership on disk. Import it for types only; `ownership` has the two kinds."""

from __future__ import annotations

import os
from typing import Protocol

from cowl.layer.whiteout import Where


class Owners(Protocol):
    """How a layer's files carry the owners and modes of their image."""

    @property
    def recorded(self) -> bool:
        """Whether owners are on record only, and the files the caller's."""
        ...

    def apply(self, fd: int, uid: int, gid: int, mode: int, *, directory: bool) -> None:
        """Sets owner, then permission bits (0o7777), of an open regular file or directory."""
        ...

    def apply_node(self, name: str | bytes, dir_fd: int | None, uid: int, gid: int, mode: int) -> None:
        """The same for a FIFO or socket by name; never for a symlink."""
        ...

    def apply_link(self, name: str | bytes, dir_fd: int | None, uid: int, gid: int) -> None:
        """Sets the owner of a symlink."""
        ...

    def read(self, where: Where, status: os.stat_result) -> tuple[int, int, int]:
        """(uid, gid, permission bits) of a node in its image; `status` is its lstat, now."""
        ...
