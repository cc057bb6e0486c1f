"""What a dedupe did, or would do."""

from __future__ import annotations

from cowl.value import Value


class SkippedLayer(Value):
    """A layer that was left alone, and why."""

    key: str
    why: str


class Deduplication(Value):
    """What a dedupe did; with `dry_run` what it would do.

    layers           that were looked at
    files            of these layers, that take blocks on disk
    links            names that became names of another inode
    inodes           that went with their last name
    freed_bytes      blocks on disk of these inodes, measured: what the layers take less than before
    cloned_files     whose data is shared with another's of the same bytes but other metadata (reflink)
    cloned_bytes     of them, that were not shared before, as the kernel verified; the file system gains them
                     while each file's blocks, and so all figures of cowl, stay as they were
    why_no_clones    why the file system can't do that, "" if it can
    refused          names that the file system would not let be moved (immutable files, quotas)
    changed          files that somebody touched or removed meanwhile
    unreadable       files that could not be read
    skipped          layers that were left alone
    """

    dry_run: bool
    layers: int = 0
    files: int = 0
    links: int = 0
    inodes: int = 0
    freed_bytes: int = 0
    cloned_files: int = 0
    cloned_bytes: int = 0
    why_no_clones: str = ""
    refused: int = 0
    changed: int = 0
    unreadable: int = 0
    skipped: tuple[SkippedLayer, ...] = ()
