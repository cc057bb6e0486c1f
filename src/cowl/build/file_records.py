"""File records: what a COPY read, small enough to be kept, and which file makes two readings differ. Pure."""

from __future__ import annotations

import json
import os

from cowl.events import Difference
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from cowl.build.sources import Source

    Record: TypeAlias = "tuple[str, int, int, int, str]"  # kind, mode, uid, gid, content

LIMIT = 10_000  # records of a step; of a larger tree only directories are kept apart
_FOLDED = "tree"
_HASH_DIGITS = 16  # to see a change takes less than to be safe from a forger


class FileRecords(Value):
    """The files that a step read, by path in their tree.

    depth  0 when every file is there; else paths are cut to so many components and stand for all below
    """

    depth: int
    records: Mapping[str, Record]

    def to_bytes(self) -> bytes:
        """Compressed; `parse` reads it."""
        from zlib import compress

        return compress(json.dumps([self.depth, self.records], separators=(",", ":")).encode(), 1)


NONE = FileRecords(0, {})


def parse(data: bytes) -> FileRecords:
    """What `to_bytes` gave; NONE of no bytes."""
    if not data:
        return NONE
    from zlib import decompress

    depth, records = json.loads(decompress(data))
    return FileRecords(depth, {path: tuple(record) for path, record in records.items()})


def read_files(sources: Iterable[Source]) -> FileRecords:
    """All that the sources hold, however much it is."""
    found: dict[str, Record] = {}
    for source in sources:
        top = source.entry.path
        if os.path.basename(top) != source.name and top:
            top = source.name  # a link that was followed, or all of the context
        for name, kind, mode, uid, gid, content in source.content.records:
            path = f"{top}/{name}" if top and name else top or name
            if name or kind != "directory":
                found[path] = (kind, mode, uid, gid, _short(kind, content))
    return FileRecords(0, found)


def _short(kind: str, content: str) -> str:
    if kind == "file" or not content:
        return content[:_HASH_DIGITS]
    return _hash([content])


def _hash(parts: Iterable[object]) -> str:
    from hashlib import sha256

    return sha256(json.dumps(list(parts)).encode()).hexdigest()[:_HASH_DIGITS]


def bounded(files: FileRecords, limit: int = LIMIT) -> FileRecords:
    """At most `limit` records: as they are, or folded as little as that takes."""
    if len(files.records) <= limit:
        return files
    depth = max(path.count("/") for path in files.records)
    while depth > 1 and len({_cut(path, depth) for path in files.records}) > limit:
        depth -= 1
    folded = folded_to(files, max(depth, 1))
    return folded if len(folded.records) <= limit else folded_to(files, -1)


def folded_to(files: FileRecords, depth: int) -> FileRecords:
    """Full records cut to a depth; -1 folds everything into one, 0 leaves them as they are."""
    if depth == 0:
        return files
    groups: dict[str, list[object]] = {}
    for path, record in files.records.items():
        groups.setdefault(_cut(path, depth), []).append((path, record))
    return FileRecords(depth, {name: (_FOLDED, 0, 0, 0, _hash(group)) for name, group in groups.items()})


def _cut(path: str, depth: int) -> str:
    return "" if depth < 0 else "/".join(path.split("/")[:depth])


def changed_files(old: FileRecords, new: FileRecords) -> tuple[Difference, ...]:
    """What differs, by path; `new` is full, `old` as it was kept. Renames are recognised by their content."""
    after = folded_to(new, old.depth).records
    gone = {path: record for path, record in old.records.items() if path not in after}
    come = {path: record for path, record in after.items() if path not in old.records}
    found = list(_renamed(gone, come))
    found += [_one(path, "removed", record[0]) for path, record in gone.items()]
    found += [_one(path, "added", record[0]) for path, record in come.items()]
    for path in after.keys() & old.records.keys():
        change = _change(old.records[path], after[path])
        if change:
            found.append(_one(path, change, after[path][0]))
    return tuple(sorted(found, key=lambda difference: (difference.change != "content", difference.name)))


def _renamed(gone: dict[str, Record], come: dict[str, Record]) -> Iterable[Difference]:
    """Takes pairs out of both that are the same file under another name."""
    homes: dict[Record, list[str]] = {}
    for path, record in come.items():
        if record[0] == "file":
            homes.setdefault(record, []).append(path)
    for path, record in list(gone.items()):
        if homes.get(record):
            target = homes[record].pop()
            del gone[path], come[target]
            yield Difference(f"{path} renamed to {target}", "file", path, "renamed", path, target)


def _change(old: Record, new: Record) -> str:
    if old == new:
        return ""
    if old[0] != new[0]:
        return "kind"
    if old[4] != new[4]:
        return "target" if new[0] == "symlink" else "content"
    return "mode" if old[1] != new[1] else "owner"


def _one(path: str, change: str, kind: str) -> Difference:
    shown = path or "the files"
    if kind == _FOLDED:
        shown = f"something in {path}" if path else "something"
        detail = "content" if change == "content" else change
        return Difference(f"{shown} changed (too many files to tell which)", "file", path, detail)
    if kind == "directory":
        shown += "/"
    said = change if change in ("added", "removed") else f"changed ({change})"
    return Difference(f"{shown} {said}", "file", path, change)
