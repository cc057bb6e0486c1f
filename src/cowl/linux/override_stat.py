"""The record of a file's owner and mode where the caller has one id only: an xattr's value.

The format is that of containers/storage and fuse-overlayfs: `uid:gid:0mode[:type]`, the mode in octal
with the set-id and sticky bits, the type one of file, dir, symlink, pipe, socket, block-MAJOR-MINOR,
char-MAJOR-MINOR. Pure: no file is touched here.
"""

from __future__ import annotations

import re

from cowl.errors import Corrupt
from cowl.value import Value

XATTR = "user.containers.override_stat"
READABLE_FILE, READABLE_DIRECTORY = 0o400, 0o700  # bits that files on disk always keep for their owner

_SIZE_LIMIT = 128
_ID_LIMIT = 0xFFFF_FFFF  # itself "no change" for chown(2), so never an owner
_FORM = re.compile(
    rb"(\d{1,10}):(\d{1,10}):([0-7]{1,7})"
    rb"(?::(file|dir|symlink|pipe|socket|(?:block|char)-\d{1,10}-\d{1,10}))?"
)


class BadOverrideStat(Corrupt):
    """The xattr holds something else."""

    def __init__(self, value: bytes) -> None:
        self.value = value
        super().__init__(f"{XATTR} holds {value[:_SIZE_LIMIT]!r}, not uid:gid:mode")


class OverrideStat(Value):
    """The owner and permission bits (0o7777) of a file in its image. `kind` is "" or the type's word."""

    uid: int
    gid: int
    mode: int
    kind: str = ""

    @classmethod
    def parse(cls, value: bytes) -> OverrideStat:
        """The record in an xattr's value. Raises BadOverrideStat."""
        found = _FORM.fullmatch(value) if len(value) <= _SIZE_LIMIT else None
        if found is None:
            raise BadOverrideStat(value)
        uid, gid, mode = int(found[1]), int(found[2]), int(found[3], 8) & 0o7777
        if uid >= _ID_LIMIT or gid >= _ID_LIMIT:
            raise BadOverrideStat(value)
        return cls(uid, gid, mode, (found[4] or b"").decode("ascii"))

    def format(self) -> bytes:
        """The xattr's value."""
        kind = f":{self.kind}" if self.kind else ""
        return f"{self.uid}:{self.gid}:0{self.mode:o}{kind}".encode("ascii")

    def mode_now(self, disk_mode: int, *, directory: bool) -> int:
        """The permission bits today, given those on disk: a chmod since the record was made wins.

        The record stands as long as the disk has exactly its bits plus the ones kept for the owner.
        """
        kept = READABLE_DIRECTORY if directory else READABLE_FILE
        bits = disk_mode & 0o7777
        return self.mode if bits == self.mode | kept else bits
