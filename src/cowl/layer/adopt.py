"""Adoption: what a RUN's user made belongs to that user, where owners are on record only.

With one id in the container the kernel gives every new file to the caller, whoever USER names, and the
lack of a record means root. So what is new in the upper, and has no record of its own, gets one.
"""

from __future__ import annotations

import os
import stat

from cowl.layer.ownership import apply_path
from cowl.layer.walk import walk
from cowl.linux.override_stat import XATTR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.owners import Owners
    from cowl.layer.view import MergedView


def adopt(upper: str, below: MergedView, uid: int, gid: int, owners: Owners) -> None:
    """Records `uid`:`gid` for the new files and directories of an upper. Does nothing for root."""
    if not owners.recorded or not (uid or gid):
        return
    for parent, name, status, _ in walk(upper):
        path = f"{parent.path}/{name}" if parent.path else name
        host = f"{upper}/{path}"
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)) or _recorded(host):
            continue
        if below.lookup(path, follow=False) is None:
            apply_path(owners, host, uid, gid, stat.S_IMODE(status.st_mode))


def _recorded(host: str) -> bool:
    try:
        os.getxattr(host, XATTR, follow_symlinks=False)
    except OSError:
        return False
    return True
