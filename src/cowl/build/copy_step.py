"""COPY: the sources of a task put into a diff tree, by Docker's rules of where they go.

A directory is copied for its contents. A single file goes to the destination itself, unless that is, or
ends in a slash and so becomes, a directory. Missing directories are made, 0755 and of the new owner.
Hard links among the files of one directory that is copied stay hard links, as in BuildKit.
"""

from __future__ import annotations

import os

from cowl.build.accounts import owner_ids
from cowl.build.tree import DEVICE, DIRECTORY, FIFO, FILE, SOCKET, SYMLINK, stamp_of, trace_of
from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.copy_task import CopyTask
    from cowl.build.diff_tree import DiffTree
    from cowl.build.sources import Source
    from cowl.build.tree import Entry
    from cowl.layer.view import MergedView


class DeviceInContext(Invalid):
    """A device node is to be copied. Field: path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is a device: devices are not copied", hint="Exclude it in .dockerignore.")
        self.path = path


def copy(task: CopyTask, tree: DiffTree, view: MergedView) -> bool:
    """Carries the task out; False when a file changed meanwhile, so that the cache must not learn of it.

    Raises CantReplace, UnknownOwner, DeviceInContext, Unreadable.
    """
    return _Copier(task, tree, owner_ids(task.owner, view) if task.owner else None).run()


class _Copier:
    def __init__(self, task: CopyTask, tree: DiffTree, owner: tuple[int, int] | None) -> None:
        self._task = task
        self._tree = tree
        self._owner = owner
        self._traces: list[tuple[object, ...]] = []
        self._first: dict[tuple[int, int, int], str] = {}  # an inode with several names: where it went first

    def run(self) -> bool:
        unchanged = True
        for source in self._task.sources:
            self._traces.clear()
            self._first.clear()
            self._copy(source, self._target(source.name, source.entry))
            unchanged &= source.content.traces in (None, tuple(self._traces))
        self._tree.settle()
        return unchanged

    def _target(self, name: str, entry: Entry) -> str:
        """Where one source goes: a resolved path, of which the parents are there."""
        dest = self._task.dest
        if dest.endswith("/"):
            self._tree.make_directories(dest.rstrip("/"), self._owner)
        path = self._tree.resolve(dest.rstrip("/") or "/")
        if entry.kind == DIRECTORY:
            return self._tree.make_directories(path, self._owner)
        if self._tree.kind(path) == DIRECTORY:
            return os.path.join(path, name)
        self._tree.make_directories(os.path.dirname(path), self._owner)
        return path

    def _copy(self, source: Source, target: str) -> None:
        top = source.entry
        start = len(top.path) + 1 if top.path else 0
        for entry in source.tree.walk(top.path):
            if entry.path != top.path:
                self._one(source, entry, os.path.join(target, entry.path[start:]))
            elif entry.kind != DIRECTORY:  # metadata of a directory copied for its contents stays behind
                self._one(source, entry, target)
            self._traces.append(trace_of(entry))

    def _one(self, source: Source, entry: Entry, target: str) -> None:
        owner = self._owner or (entry.uid, entry.gid)
        mode, change = entry.mode, self._task.mode
        if change is not None:
            mode = change.of(mode, directory=entry.kind == DIRECTORY)
        if entry.kind == DIRECTORY:
            self._tree.make_directory(target, entry, owner, mode)
        elif entry.kind == FILE:
            self._file(source, entry, target, owner, mode)
        elif entry.kind == SYMLINK:
            self._tree.make_symlink(target, entry.target, owner, entry.mtime_ns)
        elif entry.kind == FIFO:
            self._tree.make_fifo(target, owner, mode, entry.mtime_ns)
        elif entry.kind == DEVICE:
            raise DeviceInContext(entry.path)
        else:
            assert entry.kind == SOCKET  # BuildKit leaves sockets out too

    def _file(self, source: Source, entry: Entry, target: str, owner: tuple[int, int], mode: int) -> None:
        fd = source.tree.open(entry)
        try:
            status = os.fstat(fd)
            if status.st_nlink <= 1 or not self._linked((entry.layer, status.st_dev, status.st_ino), target):
                self._tree.make_file(target, fd, owner, mode, entry.mtime_ns)
            if entry.stamp[0] and stamp_of(os.fstat(fd)) != entry.stamp:
                self._traces.append(())
        finally:
            os.close(fd)

    def _linked(self, inode: tuple[int, int, int], target: str) -> bool:
        """Whether `target` became one more name of a file that is there; if not, it becomes the first."""
        first = self._first.get(inode)
        if first is not None and self._tree.make_link(target, first):
            return True
        self._first[inode] = target
        return False
