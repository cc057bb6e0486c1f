"""Parent directories in a diff tree, as they are in the layers below it."""

from __future__ import annotations

import os

from cowl.layer.directories import Directories
from cowl.layer.limits import Limits
from cowl.layer.names import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.owners import Owners
    from cowl.layer.view import MergedView


def ensure_parents(diff_dir: str, path: str, view: MergedView, owners: Owners, *, mtime: int = 0) -> str:
    """Makes what is missing of the directories that lead to `path` (not `path` itself) in `diff_dir`.

    view   what lies below: a directory that is there gets the owner, mode, xattrs and time that it has
           there, so that the layer doesn't change it; others are 0755 of root with the time `mtime` (ns)
    Gives the host path that `path` has in the diff tree. Links of layers below are followed in its
    parents, inside the root; its last name isn't. Idempotent. Raises BadLayer where a file, or a link of
    the diff tree itself, is in the way; OSError.
    """
    name = plain(os.fsencode(path), Limits())
    parent, _, base = name.rpartition(b"/")
    with Directories(diff_dir, owners, view) as directories:
        directories.enter(parent, name, mtime)
        return os.path.join(diff_dir, os.fsdecode(directories.path(base))) if base else diff_dir
