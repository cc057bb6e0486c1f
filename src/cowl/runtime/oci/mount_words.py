"""A mount of a config.json, its options told apart. Pure.

https://github.com/opencontainers/runtime-spec/blob/main/config.md#mounts
"""

from __future__ import annotations

import os

from cowl.errors import Invalid
from cowl.runtime.mount_plan import UnsupportedSpec
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, NO_ATIME, STRICT_ATIME = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20
ATIME, NO_DIR_ATIME, NO_SYMFOLLOW = 0x70, 0x80, 0x200000  # MOUNT_ATTR_*
PRIVATE, SLAVE, SHARED, UNBINDABLE = 1 << 18, 1 << 19, 1 << 20, 1 << 17  # MS_*
# An option: the attributes that it sets, and those that it clears.
_ATTRIBUTES = {
    "ro": (READ_ONLY, 0),
    "rw": (0, READ_ONLY),
    "nosuid": (NO_SUID, 0),
    "suid": (0, NO_SUID),
    "nodev": (NO_DEV, 0),
    "dev": (0, NO_DEV),
    "noexec": (NO_EXEC, 0),
    "exec": (0, NO_EXEC),
    "noatime": (NO_ATIME, ATIME),
    "atime": (0, ATIME),
    "relatime": (0, ATIME),
    "norelatime": (STRICT_ATIME, ATIME),
    "strictatime": (STRICT_ATIME, ATIME),
    "nostrictatime": (0, ATIME),
    "nodiratime": (NO_DIR_ATIME, 0),
    "diratime": (0, NO_DIR_ATIME),
    "nosymfollow": (NO_SYMFOLLOW, 0),
    "symfollow": (0, NO_SYMFOLLOW),
}
PROPAGATION = {"private": PRIVATE, "slave": SLAVE, "shared": SHARED, "unbindable": UNBINDABLE}
_DEFAULTS = ("defaults", "async", "nomand", "silent", "loud", "nolazytime", "noiversion", "newinstance")
MOUNT_OPTIONS = {
    *_ATTRIBUTES,
    *(f"r{word}" for word in _ATTRIBUTES),
    *PROPAGATION,
    *(f"r{word}" for word in PROPAGATION),
    *("bind", "rbind", "idmap", "ridmap", "tmpcopyup"),
}
_REFUSED = ("remount", "move", "copy-symlink", "src-nofollow", "dest-nofollow")


class MountWords(Value):
    """One mount.

    bind       `source` is a path of the host; recursive: with what is mounted below it
    attributes, cleared          of the mount itself; all_...: of those below it too
    propagation                  a word of PROPAGATION, "" for what is usual; with `deep` recursive
    copy_up    a tmpfs begins with what is at its place
    idmap      the ids of the files are the container's own
    data       (key, value) for the file system, "" for a flag
    """

    target: str
    kind: str
    source: str
    bind: bool
    recursive: bool
    attributes: int
    cleared: int
    all_attributes: int
    all_cleared: int
    propagation: str
    deep: bool
    copy_up: bool
    idmap: bool
    data: tuple[tuple[str, str], ...]


def read_mount(mount: dict[str, Any], bundle: str) -> MountWords:
    """Raises Invalid, UnsupportedSpec."""
    target, kind = mount.get("destination", ""), mount.get("type") or ""
    if not target:
        raise Invalid("config.json: a mount has no destination")
    if mount.get("uidMappings") or mount.get("gidMappings"):
        raise UnsupportedSpec(f"a mount with id mappings of its own (at {target}) is not supported")
    reading = _Reading(target)
    for word in mount.get("options") or ():
        reading.take(word)
    source = mount.get("source") or kind
    bind = reading.bind or kind in ("bind", "rbind")
    if bind:
        source = os.path.join(bundle, source)
    elif not kind:
        raise Invalid(f"config.json: the mount at {target} has no type")
    return MountWords(
        target=os.path.normpath("/" + target.lstrip("/")),
        kind=kind,
        source=source,
        bind=bind,
        recursive=reading.recursive or kind == "rbind",
        attributes=reading.sets,
        cleared=reading.clears,
        all_attributes=reading.all_sets,
        all_cleared=reading.all_clears,
        propagation=reading.propagation,
        deep=reading.deep,
        copy_up=reading.copy_up and kind == "tmpfs" and not bind,
        idmap=reading.idmap,
        data=tuple(reading.data),
    )


class _Reading:
    """What the options of one mount have come to; the last word wins."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.bind = self.recursive = self.deep = self.idmap = self.copy_up = False
        self.sets = self.clears = self.all_sets = self.all_clears = 0
        self.propagation = ""
        self.data: list[tuple[str, str]] = []

    def take(self, word: str) -> None:
        """One option."""
        plain = word.removeprefix("r")
        if word in _ATTRIBUTES:
            sets, clears = _ATTRIBUTES[word]
            self.sets, self.clears = self.sets & ~clears | sets, self.clears & ~sets | clears
        elif word in PROPAGATION or (plain in PROPAGATION and plain != word):
            self.propagation, self.deep = plain, word not in PROPAGATION
        elif plain != word and plain in _ATTRIBUTES:
            sets, clears = _ATTRIBUTES[plain]
            self.all_sets, self.all_clears = self.all_sets & ~clears | sets, self.all_clears & ~sets | clears
        elif word in ("bind", "rbind"):
            self.bind, self.recursive = True, word == "rbind"
        elif word in ("idmap", "ridmap"):
            self.idmap = True
        elif word == "tmpcopyup":
            self.copy_up = True
        elif word in _REFUSED:
            raise UnsupportedSpec(f"the mount option {word!r} (at {self._target}) is not supported")
        elif word not in _DEFAULTS:
            key, _, value = word.partition("=")
            self.data.append((key, value))
