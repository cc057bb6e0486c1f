"""The mount table of this process: proc_pid_mountinfo(5)."""

from __future__ import annotations

import os
import re


def mount_of(path: str) -> tuple[str, tuple[str, ...]]:
    """Where the mount that a path is on is mounted, and its optional fields ("shared:1", "master:2").

    Raises OSError.
    """
    place = os.path.realpath(path, strict=True)
    found: tuple[str, tuple[str, ...]] = ("/", ())
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            fields = line.split(" ")
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
            inside = place == point or place.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(found[0]):  # of several at one point the last is on top
                found = (point, tuple(fields[6 : fields.index("-")]))
    return found
