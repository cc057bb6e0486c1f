"""ADD: the parts of a task put into a diff tree; archives are unpacked, everything else is copied."""

from __future__ import annotations

import os

from cowl.build.accounts import owner_ids
from cowl.build.archives import Descriptor, open_archive
from cowl.build.copy_step import copy
from cowl.build.tree import trace_of
from cowl.layer.limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.add_task import AddTask
    from cowl.build.copy_task import CopyTask
    from cowl.build.diff_tree import DiffTree
    from cowl.build.sources import Source
    from cowl.layer.view import MergedView


def add(task: AddTask, tree: DiffTree, view: MergedView) -> bool:
    """Carries the task out; False when a file changed meanwhile, so that the cache must not learn of it.

    Raises as `copy` does, and BadArchive.
    """
    unchanged = True
    for part in task.parts:
        for index, source in enumerate(part.copy.sources):
            single = part.copy.replace(sources=(source,))
            if index in part.unpack:
                unchanged &= _unpack(single, source, tree, view)
            else:
                unchanged &= copy(single, tree, view)
    tree.settle()
    return unchanged


def _unpack(task: CopyTask, source: Source, tree: DiffTree, view: MergedView) -> bool:
    from cowl.build.unarchive import unarchive

    fd = source.tree.open(source.entry)
    try:
        limits = Limits()
        opened = open_archive(Descriptor(fd), limits)
        if opened is None:
            return copy(task, tree, view)
        owner = owner_ids(task.owner, view) if task.owner else None
        unarchive(source.entry.path, *opened, tree, task.dest, owner=owner, limits=limits)
        return tuple(map(trace_of, source.tree.walk(source.entry.path))) == source.content.traces
    finally:
        os.close(fd)
