"""One process of the machine at a time changes bridges, rules and files of names, whatever its store."""

from __future__ import annotations

import fcntl
import os

_DIRECTORY = "/run/cowl"  # root's: a lock that others can open, others can hold for ever


class Turn:
    """A context that one process of root is in at a time. Raises OSError."""

    def __enter__(self) -> None:
        try:
            os.mkdir(_DIRECTORY, 0o700)
        except FileExistsError:
            pass
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(f"{_DIRECTORY}/networks.lock", flags, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *_failure: object) -> None:
        os.close(self._fd)
