"""Several layers made into one: what shows of them, and the deletions that what lies below still needs."""

from __future__ import annotations

import os

from cowl.layer.copy_out import copy_out
from cowl.layer.whiteout import make_whiteout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cowl.layer.view import MergedView, Node


def squash(
    diff: str, shown: MergedView, below: MergedView, full: MergedView, check: Callable[[], object] = bool
) -> None:
    """Makes of the empty directory `diff` the tree of one layer that does what several did.

    shown  these layers alone
    below  what lies below them
    full   both
    What later ones of them overwrote or deleted is not in it. `check` is called often and may raise to give
    up. Raises OSError.
    """
    if not shown.trees:
        return
    copy_out(shown, "/", diff, check)
    for directory in _directories(shown):
        check()
        _hide(diff, directory, below, full)


def _hide(diff: str, directory: Node, below: MergedView, full: MergedView) -> None:
    """Whiteouts for what lies below in this directory and is gone; as old as the directory, so that the
    same layers give the same one."""
    under = below.lookup(directory.path, follow=False)
    if under is None or not under.is_directory or under.path != directory.path:
        return
    gone = [child for child in below.children(under) if full.lookup(child.path, follow=False) is None]
    time = directory.status.st_mtime_ns
    for child in gone:
        make_whiteout(diff + child.path)
        os.utime(diff + child.path, ns=(time, time), follow_symlinks=False)
    if gone:
        os.utime(diff + directory.path, ns=(time, time))


def _directories(view: MergedView) -> Iterator[Node]:
    """All directories; "/" is the first."""
    top = view.lookup("/", follow=False)
    pending = [] if top is None else [top]
    while pending:
        node = pending.pop()
        yield node
        pending += [child for child in view.children(node) if child.is_directory]
