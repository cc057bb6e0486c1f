"""What of a container's writes replaces a file of its image, and what is new."""

from __future__ import annotations

from stat import S_ISDIR, S_ISREG

from cowl.layer.walk import walk
from cowl.layer.whiteout import is_opaque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.view import MergedView


def copied_up_bytes(upper: str, below: MergedView) -> int:
    """The apparent size of the regular files in `upper` whose paths are regular files in the layers below.

    Such a file counts whole, as overlayfs copies it up whole, however little of it was written then; one
    that was deleted and made anew counts too, since not every file system can tell the two apart. What
    lies in a directory that the layers don't have, or that hides theirs, is new. An inode counts once.
    Raises OSError.
    """
    total = 0
    seen: set[tuple[int, int]] = set()
    known = {""}  # directories of the upper that show the same directory of the layers
    for parent, name, status, inside in walk(upper, None):
        if parent.path not in known:
            continue
        path = f"{parent.path}/{name}" if parent.path else name
        if S_ISDIR(status.st_mode):
            node = below.lookup(path, follow=False)
            if node is not None and node.is_directory and inside and not is_opaque(inside.fd):
                known.add(path)
        elif S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
            node = below.lookup(path, follow=False)
            if node is not None and node.is_file:
                total += status.st_size
                seen.add((status.st_dev, status.st_ino))
    return total
