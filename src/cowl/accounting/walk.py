"""The walk: every inode below a root, counted once, by somebody who knows nothing of rows.

It shares no code with the ledger or the measures that this one reads, so that it can contradict them.
"""

from __future__ import annotations

import os

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 512  # st_blocks counts these, whatever the file system's own block size: stat(2)
_CONTENT = ("layers", "containers", "caches", "volumes", "blobs", "staging", "trash")


class Walk(Value):
    """What lies on disk, in allocated bytes.

    owners  ((place, bytes), ...): "layers/<key>", "containers/<id>", "caches/<id>", "staging/<x>",
            "trash/<x>", and "metadata" for all else; sorted
    """

    total_allocated_bytes: int
    owners: tuple[tuple[str, int], ...]

    def under(self, place: str) -> dict[str, int]:
        """The bytes of everything in "layers", "containers", "caches", "staging" or "trash", by name."""
        start = f"{place}/"
        return {name.removeprefix(start): size for name, size in self.owners if name.startswith(start)}


def verify(root: str) -> Walk:
    """Walks a whole store. An inode with several names counts where it is first met, in sorted order."""
    owners: dict[str, int] = {"metadata": 0}
    seen: set[tuple[int, int]] = set()
    for path in _paths(root):
        found = os.lstat(path)
        if (found.st_dev, found.st_ino) in seen:
            continue
        seen.add((found.st_dev, found.st_ino))
        owner = _owner(os.path.relpath(path, root))
        owners[owner] = owners.get(owner, 0) + found.st_blocks * _BLOCK
    return Walk(sum(owners.values()), tuple(sorted(owners.items())))


def _paths(root: str) -> Iterator[str]:
    yield root
    for directory, subdirectories, files in os.walk(root):
        subdirectories.sort()
        for name in sorted(subdirectories + files):
            yield os.path.join(directory, name)


def _owner(relative: str) -> str:
    place, _, rest = relative.partition("/")
    if place not in _CONTENT or not rest:
        return "metadata"
    return f"{place}/{rest.partition('/')[0]}"
