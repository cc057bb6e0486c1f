"""A fresh upper: empty, and its root looks like the one below it."""

from __future__ import annotations

import os


def dress_root(upper: str, below: str) -> None:
    """Gives a fresh upper the mode and owner of the tree below it: it is what `/` will show.

    Without a tree below it is 0755. Ownership kept as metadata is carried along.
    """
    if not below:
        os.chmod(upper, 0o755)
        return
    found = os.stat(below)
    if os.geteuid() == 0:
        os.chown(upper, found.st_uid, found.st_gid)
    os.chmod(upper, found.st_mode & 0o7777)
    for name in os.listxattr(below):
        if name == "user.containers.override_stat":
            os.setxattr(upper, name, os.getxattr(below, name))
