"""What COPY reads: the entries of a tree, and the hash of their content."""

from __future__ import annotations

import errno
import json
import os
import stat
from hashlib import sha256

from cowl.errors import Unavailable
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from cowl.layer.attributes import Attributes

    class Tree(Protocol):
        """A tree that COPY reads: the context, or the files of another stage.

        Paths are relative to its root, "" is the root itself; symbolic links never lead out of it.
        """

        def find(self, path: str) -> Entry | None:
            """The entry at `path`, links followed, last one included; None if there is none."""

        def names(self, path: str) -> list[str]:
            """The visible names in a real directory, sorted; empty when `path` is something else."""

        def walk(self, path: str) -> Iterator[Entry]:
            """The entry at the real path `path`, then all visible ones below it, parents first, sorted."""

        def open(self, entry: Entry) -> int:
            """A file descriptor to read a regular file. Raises Unreadable."""


FILE, DIRECTORY, SYMLINK, FIFO, SOCKET, DEVICE = "file", "directory", "symlink", "fifo", "socket", "device"
NOW = -1  # as a time: when the copy is made
_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFIFO: FIFO,
    stat.S_IFSOCK: SOCKET,
}


class Unreadable(Unavailable):
    """A file that COPY needs can't be read. Fields: path (in its tree), reason."""

    def __init__(self, path: str, problem: OSError) -> None:
        self.path = path
        self.reason = problem.strerror or str(problem)
        super().__init__(f"can't read {path or '.'} for COPY: {self.reason}")


class Entry(Value):
    """One file of a tree, of any kind.

    path    from the root of the tree, real (no component is a link), "" for the root
    mode    permission bits, with setuid, setgid and sticky
    target  of a symbolic link, else ""
    stamp   changes whenever the file is written or replaced (inode, size, mtime, ctime)
    layer   which layer of a stage it lies in: only names of one layer are links of each other (dedupe makes
            layers share inodes)
    """

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    target: str
    stamp: tuple[int, ...]
    layer: int = 0


def entry_of(path: str, status: os.stat_result, target: str, uid: int, gid: int) -> Entry:
    """An Entry from what lstat(2) says; the owner is the caller's choice."""
    return Entry(
        path,
        kind_of(status),
        stat.S_IMODE(status.st_mode),
        uid,
        gid,
        status.st_mtime_ns,
        target,
        stamp_of(status),
    )


def kind_of(status: os.stat_result) -> str:
    """FILE, DIRECTORY, ... from what lstat(2) says."""
    return _KINDS.get(stat.S_IFMT(status.st_mode), DEVICE)


def stamp_of(status: os.stat_result) -> tuple[int, ...]:
    """What tells that a file is still the one that was read."""
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Content(Value):
    """What a tree holds: a hash that is the same wherever and whenever the same files stand.

    traces   one for each entry: they change when somebody writes to the tree after it was hashed; None for a
             tree that nobody else writes to
    records  (name below the top, kind, mode, uid, gid, content hash or link target) of each entry: what the
             digest is the hash of, and what tells which file made it another
    """

    digest: str
    traces: tuple[tuple[object, ...], ...] | None
    records: tuple[tuple[str, str, int, int, int, str], ...] = ()


def content_of_file(entry: Entry, hexdigest: str) -> Content:
    """What `content_of` gives for a regular file of which the sha256 is known already."""
    record = ("", entry.kind, entry.mode, entry.uid, entry.gid, hexdigest)
    whole = sha256(json.dumps(record).encode() + b"\n")
    return Content(whole.hexdigest(), (trace_of(entry),), (record,))


def content_of(tree: Tree, top: Entry) -> Content:
    """Hashes `top` and all below it: names, kinds, modes, owners, bytes, link targets; never a time.

    The name of `top` itself is not in it, and neither is the mode of a directory that is copied for
    its contents: COPY does not take it over.
    """
    whole = sha256()
    traces, records = [], []
    start = len(top.path) + 1 if top.path else 0
    for entry in tree.walk(top.path):
        name = entry.path[start:] if entry.path != top.path else ""
        mode = 0 if not name and entry.kind == DIRECTORY else entry.mode
        content = _file_digest(tree, entry) if entry.kind == FILE else entry.target
        record = (name, entry.kind, mode, entry.uid, entry.gid, content)
        records.append(record)
        whole.update(json.dumps(record).encode() + b"\n")
        traces.append(trace_of(entry))
    return Content(whole.hexdigest(), tuple(traces), tuple(records))


def trace_of(entry: Entry) -> tuple[object, ...]:
    """What tells that an entry is still what it was; of directories, that files come and go shows anyway."""
    about = (entry.path, entry.kind, entry.mode, entry.target)
    return (*about, entry.stamp) if entry.kind == FILE else about


def attributes_of(fd: int) -> Attributes:
    """The extended attributes of an open file that a layer can hold: capabilities of programs, `user.*`."""
    try:
        if not os.listxattr(fd):
            return ()
    except OSError as problem:
        if problem.errno == errno.ENOTSUP:
            return ()
        raise
    from cowl.layer.attributes import read  # few files have any

    return read(fd)


def _file_digest(tree: Tree, entry: Entry) -> str:
    """The hash of a file's bytes, and behind it one of its extended attributes if it has some."""
    buffer = bytearray(min(1 << 18, entry.stamp[1] + 1))
    view = memoryview(buffer)
    digest = sha256()
    fd = tree.open(entry)
    try:
        while count := os.readv(fd, [buffer]):
            digest.update(view[:count])
        attributes = attributes_of(fd)
    except OSError as problem:
        raise Unreadable(entry.path, problem) from problem
    finally:
        os.close(fd)
    return digest.hexdigest() + (f"+{sha256(repr(attributes).encode()).hexdigest()}" if attributes else "")
