"""Turns: the same layer is fetched by one pull at a time, across threads and processes."""

from __future__ import annotations

import fcntl
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from cowl.oci.digest import Sha256

_POLL_SECONDS = 0.05


class Turn:
    """An exclusive flock(2) on one of 256 files in `directory`, chosen by the digest.

    Files are never unlinked: a waiter would hold a lock that nobody else sees. `check` is called while
    waiting and may raise to give up. Only a courtesy: without it both would fetch, and both be right.
    """

    def __init__(self, directory: str, digest: Sha256, check: Callable[[], None]) -> None:
        self._path = f"{directory}/pull-{digest.hex[:2]}.lock"
        self._check = check
        self._fd = -1

    def __enter__(self) -> Self:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not self._try():
                self._check()
                time.sleep(_POLL_SECONDS)
        except BaseException:
            self.release()
            raise
        return self

    def release(self) -> None:
        """Let others in. To be called before waiting for another layer: else two pulls could wait for
        each other. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __exit__(self, *_failure: object) -> None:
        self.release()

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
