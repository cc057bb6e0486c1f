"""Times of a tree that are later than an epoch made the epoch: SOURCE_DATE_EPOCH for what a step made."""

from __future__ import annotations

import os

from cowl.layer.tar_fields import NANO
from cowl.layer.walk import walk


def clamp(diff_dir: str, epoch: int) -> None:
    """Gives whatever was modified after `epoch` (in seconds) that time, the top directory included.

    On disk and not only in the tar, so that the layer is the same wherever it was unpacked. Raises OSError.
    """
    latest = epoch * NANO
    for parent, name, status, _ in walk(diff_dir, None):
        if status.st_mtime_ns > latest:
            os.utime(name, ns=(latest, latest), dir_fd=parent.fd, follow_symlinks=False)
    if os.stat(diff_dir).st_mtime_ns > latest:
        os.utime(diff_dir, ns=(latest, latest))
