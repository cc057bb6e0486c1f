"""Measuring a tree: how long its files are, how many blocks it takes, each inode once."""

from __future__ import annotations

import os
from itertools import chain
from stat import S_ISDIR

from cowl.layer.walk import walk
from cowl.layer.whiteout import is_whiteout
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 512  # the unit of st_blocks, whatever the file system's own, stat(2)


class Measure(Value):
    """The figures of a tree; in all but `whiteouts` an inode counts once however many names it has.

    size_bytes       apparent: st_size of everything but directories (Docker's SIZE)
    allocated_bytes  blocks on disk of everything, directories and the top itself included
    files            whatever is neither directory nor whiteout
    directories      the top included
    whiteouts        names of 0:0 character devices (overlayfs links many to one inode)
    inodes           what it takes of the file system's
    """

    size_bytes: int = 0
    allocated_bytes: int = 0
    files: int = 0
    directories: int = 0
    whiteouts: int = 0
    inodes: int = 0


def measure(path: str) -> Measure:
    """Measures the tree (or single file) at `path` without following links. Raises OSError.

    An ordinary user's directory that lacks read or search permission for its owner is given them for
    the moment of reading. What vanishes while a container writes is left out.
    """
    top = os.lstat(path)
    if not S_ISDIR(top.st_mode):
        return _total(iter((top,)))
    return _total(chain((top,), (status for _, _, status, _ in walk(path, order=None))))


def _total(nodes: Iterator[os.stat_result]) -> Measure:
    size = allocated = files = directories = whiteouts = inodes = 0
    seen: set[tuple[int, int]] = set()
    for status in nodes:
        directory = S_ISDIR(status.st_mode)
        whiteout = is_whiteout(status)
        whiteouts += whiteout
        if not directory and status.st_nlink > 1:
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                continue
            seen.add(identity)
        inodes += 1
        allocated += status.st_blocks
        if directory:
            directories += 1
        else:
            size += status.st_size
            files += not whiteout
    return Measure(size, allocated * _BLOCK, files, directories, whiteouts, inodes)


def measure_layer(layer_dir: str) -> Measure:
    """Measures a layer: its `diff/`, but allocated_bytes of the whole directory, recipe included.

    To be called after a sync: before that, file systems have not allocated everything.
    """
    tree = measure(f"{layer_dir}/diff")
    rest = os.lstat(layer_dir).st_blocks * _BLOCK
    with os.scandir(layer_dir) as entries:
        rest += sum(measure(entry.path).allocated_bytes for entry in entries if entry.name != "diff")
    return tree.replace(allocated_bytes=tree.allocated_bytes + rest)
