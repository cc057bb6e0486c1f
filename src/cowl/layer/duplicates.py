"""Duplicates: files of the same content under several inodes. Sizes tell candidates, hashes decide."""

from __future__ import annotations

import os
from hashlib import sha256

from cowl.layer.rewrites import open_file
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    # (a tree, path in it, st_ino, apparent bytes, bytes on disk) of a regular file
    Candidate: TypeAlias = "tuple[str, str, int, int, int]"

_HEAD = 4096  # files of one length that differ mostly do so at once
_CHUNK = 1 << 20


class Duplicate(Value):
    """Files with the same content; `places` are indexes of what was given, in that order.

    on_disk  how many inodes they are: fewer than places where files were made one (dedupe)
    """

    size_bytes: int
    allocated_bytes: int
    places: tuple[int, ...]
    on_disk: int


def find_duplicates(candidates: Iterable[Candidate]) -> list[Duplicate]:
    """What is there more than once, the most bytes in vain first. Empty files and what can't be read are left
    out.

    Candidates are distinct files; the trees are all on one file system. Only files whose length is shared
    are opened, and read beyond their beginning only those of which that is shared too.
    """
    given = list(candidates)
    sizes: dict[int, list[int]] = {}
    for index, (_, _, _, size, _) in enumerate(given):
        if size:
            sizes.setdefault(size, []).append(index)
    found = []
    for size, alike in sizes.items():
        if len(alike) > 1:
            found += [_duplicate(given, size, group) for group in _same(given, alike)]
    return sorted(found, key=lambda each: (-each.size_bytes * (len(each.places) - 1), each.places))


def _duplicate(given: list[Candidate], size: int, places: list[int]) -> Duplicate:
    inodes = {given[index][2] for index in places}
    return Duplicate(size, max(given[index][4] for index in places), tuple(places), len(inodes))


def _same(given: list[Candidate], alike: list[int]) -> Iterator[list[int]]:
    """Those of one length parted by content; an inode of several candidates is read once."""
    inodes: dict[int, list[int]] = {}
    for index in alike:
        inodes.setdefault(given[index][2], []).append(index)
    groups = [list(inodes.values())]
    for read in (_head, _whole) if given[alike[0]][3] > _HEAD else (_head,):
        groups = [part for group in groups for part in _parted(given, group, read)]
    for group in groups:
        places = sorted(index for part in group for index in part)
        if len(places) > 1:
            yield places


def _parted(
    given: list[Candidate], group: list[list[int]], read: Callable[[int], bytes]
) -> Iterable[list[list[int]]]:
    if len(group) == 1:
        return (group,)
    parts: dict[bytes, list[list[int]]] = {}
    for inode in group:
        tree, path = given[inode[0]][:2]
        try:
            fd = open_file(tree, path)
        except OSError:
            continue
        try:
            parts.setdefault(read(fd), []).append(inode)
        except OSError:
            continue
        finally:
            os.close(fd)
    return parts.values()


def _head(fd: int) -> bytes:
    return sha256(os.read(fd, _HEAD)).digest()


def _whole(fd: int) -> bytes:
    found = sha256()
    while chunk := os.read(fd, _CHUNK):
        found.update(chunk)
    return found.digest()
