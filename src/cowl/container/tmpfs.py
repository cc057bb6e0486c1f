"""--tmpfs: a file system in memory, and the options that it takes. Pure."""

from __future__ import annotations

import re

from cowl.container.words import InvalidOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULTS = ("noexec", "nosuid", "nodev")  # Docker's
_FLAGS = {  # what a word takes back
    "ro": "rw",
    "rw": "ro",
    "exec": "noexec",
    "noexec": "exec",
    "suid": "nosuid",
    "nosuid": "suid",
    "nodev": "",
}
_KEPT = ("ro", "noexec", "nosuid", "nodev")  # what the kernel is told; the rest is what it does anyway
_VALUES = {
    "mode": r"[0-7]{1,5}",
    "uid": r"[0-9]{1,10}",
    "gid": r"[0-9]{1,10}",
    "nr_inodes": r"[0-9]+[kmg]?",
    "nr_blocks": r"[0-9]+[kmg]?",
}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)i?b?", re.IGNORECASE | re.ASCII)
_PERCENT = re.compile(r"[0-9]{1,3}%", re.ASCII)


def tmpfs_options(words: Iterable[str], where: str) -> tuple[str, ...]:
    """Options as Docker's --tmpfs takes them, over its defaults; later ones win. Raises InvalidOptions."""
    flags = dict.fromkeys(DEFAULTS)
    values: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            values[key] = _value(key, value, where)
        elif word in _FLAGS:
            flags.pop(_FLAGS[word], None)
            flags[word] = None
        elif word not in ("", "defaults"):
            raise _refused(word, where)
    return (*(flag for flag in flags if flag in _KEPT), *(f"{key}={value}" for key, value in values.items()))


def _value(key: str, value: str, where: str) -> str:
    if key == "size":
        return size_text(value, where)
    if key not in _VALUES or not re.fullmatch(_VALUES[key], value, re.ASCII):
        raise _refused(f"{key}={value}", where)
    return value


def size_text(value: str, where: str) -> str:
    """ "64m", "1.5g", "64MiB" in bytes; "50%" of the memory as it is. Raises InvalidOptions."""
    if _PERCENT.fullmatch(value):
        return value
    match = _SIZE.fullmatch(value)
    if match is None or len(value) > 30:
        raise InvalidOptions(f"invalid size {value!r} of {where}", hint="write it as 64m, 1g or in bytes")
    return str(int(float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " ")))


def _refused(word: str, where: str) -> InvalidOptions:
    hint = "it knows size, mode, uid, gid, nr_inodes, nr_blocks, ro, rw, exec, noexec, suid, nosuid, nodev"
    if word == "dev":
        hint = "no device node on it could be opened: nobody in a user namespace may make one"
    return InvalidOptions(f'Invalid tmpfs option "{word}" of {where}', hint=hint)
