"""WORKDIR: the directories of a path that are not there yet."""

from __future__ import annotations

from cowl.build.accounts import UnknownOwner, owner_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.diff_tree import DiffTree
    from cowl.build.workdir_task import WorkdirTask
    from cowl.layer.view import MergedView


def make_workdir(task: WorkdirTask, tree: DiffTree, view: MergedView) -> bool:
    """Makes what is missing of `task.path`; False when nothing was, and so there is no layer.

    New directories belong to the USER in force, as BuildKit has it; to root when the image has no such
    account yet. Raises CantReplace.
    """
    try:
        owner = owner_ids(task.owner, view) if task.owner else None
    except UnknownOwner:
        owner = (0, 0)
    tree.make_directories(task.path, owner)
    tree.settle()
    return bool(tree.made)
