"""The reserve: space kept aside, so that a store on a full disk can still delete."""

from __future__ import annotations

import os

RESERVE_BYTES = 1 << 20  # a deletion appends some dozen pages to the WAL and a directory block or two


def hold_reserve(path: str) -> None:
    """Makes the reserve whole if the disk has room for it; leaves no part of it otherwise. Idempotent."""
    try:
        if os.stat(path).st_blocks * 512 >= RESERVE_BYTES:
            return
    except FileNotFoundError:
        pass
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, RESERVE_BYTES)
    except OSError:
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def release_reserve(path: str) -> bool:
    """Gives the reserve back to the file system; False if there was none to give."""
    try:
        had = os.stat(path).st_blocks > 0
        os.truncate(path, 0)
    except FileNotFoundError:
        return False
    return had
