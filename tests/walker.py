"""Where the bytes of a store lie, found out by somebody who was never told how cowl counts.

Only `lstat` of everything and plain SQL: no code is shared with cowl, so that the two can contradict each
other. `docs/decisions` and the contracts of `Engine.usage` say what is meant by an owner.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

OWNERS = (
    "layer", "container", "snapshot", "volume", "build cache", "cache mount", "blob", "log", "staging",
    "metadata",
)  # fmt: skip
PLACES = {
    "volumes": "volume",
    "caches": "cache mount",
    "blobs": "blob",
    "staging": "staging",
    "trash": "staging",
}
# Who refers to a layer, in the order in which it is theirs.
HOLDERS = (
    ("layer", "SELECT stack FROM images WHERE id NOT IN (SELECT image FROM failed_steps)"
              " OR id IN (SELECT image FROM tags)"),
    ("snapshot", "SELECT stack FROM snapshots"),
    ("container", "SELECT stack FROM containers"),
    ("build cache", "SELECT stack FROM images WHERE id IN (SELECT image FROM failed_steps)"),
)  # fmt: skip


@dataclass
class Found:
    """Allocated bytes: of the whole store, by owner, and of each layer, container, volume and cache mount.

    A figure of a single one counts all that it shows; `total` and `owners` count each inode once.
    """

    total: int = 0
    owners: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OWNERS, 0))
    places: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))

    @property
    def content(self) -> int:
        """What objects take: without metadata and staging, which grow and shrink by themselves."""
        return self.total - self.owners["metadata"] - sum(self.places["staging"].values())


def look(root: os.PathLike[str] | str) -> Found:
    """Looks at everything below and with `root`."""
    found = Found()
    layers = _Layers(Path(root, "cowl.db"))
    names: dict[tuple[int, int], list[tuple[str, ...]]] = defaultdict(list)
    sizes: dict[tuple[int, int], int] = {}
    for path in _everything(os.fspath(root)):
        status = os.lstat(path)
        inode = (status.st_dev, status.st_ino)
        names[inode].append(tuple(os.path.relpath(path, root).split("/")))
        sizes[inode] = status.st_blocks * 512
    for inode, size in sizes.items():
        found.total += size
        found.owners[_owner(names[inode], layers)] += size
        for place, name in {(parts[0], parts[1]) for parts in names[inode] if len(parts) > 1}:
            found.places[place][name] += size
    assert sum(found.owners.values()) == found.total
    return found


def du(root: os.PathLike[str] | str) -> int:
    """What du(1) says of the same."""
    done = subprocess.run(
        ["du", "--block-size=1", "-s", os.fspath(root)], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[0])


def _everything(root: str) -> list[str]:
    paths = [root]
    for path in paths:  # it grows meanwhile
        if os.path.isdir(path) and not os.path.islink(path):
            paths += [os.path.join(path, name) for name in os.listdir(path)]
    return paths


def _owner(names: list[tuple[str, ...]], layers: _Layers) -> str:
    """The owner of an inode with these names: of those of several layers that of the oldest layer."""
    first = names[0]
    if len(first) < 2:
        return "metadata"
    if first[0] == "layers":
        assert all(name[0] == "layers" for name in names), f"{names} are one file"
        return layers.owner({name[1] for name in names})
    if first[0] == "containers":
        return "log" if first[2:3] == ("log",) else "container"
    places = {
        "volumes": "volume",
        "caches": "cache mount",
        "blobs": "blob",
        "staging": "staging",
        "trash": "staging",
    }
    return places.get(first[0], "metadata")


class _Layers:
    """Who refers to which layer, by plain SQL."""

    def __init__(self, database: Path) -> None:
        connection = sqlite3.connect(database)
        try:
            ages = connection.execute("SELECT key, created_at FROM layers")
            self._age = {key: (created_at, key) for key, created_at in ages}
            self._holders: dict[str, str] = {}
            for owner, stacks in HOLDERS[:3]:
                self._hold(owner, connection, f"SELECT layer FROM stack_layers WHERE stack IN ({stacks})")
            self._hold("build cache", connection, "SELECT layer FROM steps WHERE layer IS NOT NULL")
            failed = f"SELECT layer FROM stack_layers WHERE stack IN ({HOLDERS[3][1]})"
            self._hold("build cache", connection, failed)
        finally:
            connection.close()

    def _hold(self, owner: str, connection: sqlite3.Connection, sql: str) -> None:
        for (key,) in connection.execute(sql):
            self._holders.setdefault(key, owner)

    def owner(self, keys: set[str]) -> str:
        known = keys & self._age.keys()
        assert known, f"layers/{keys} have no row"
        return self._holders.get(min(known, key=lambda key: self._age[key]), "staging")
