"""Archives: which files ADD would unpack. BuildKit looks at the first bytes, never at the name."""

from __future__ import annotations

import os

from cowl.build.tree import FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.tree import Entry, Tree

_COMPRESSED = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_USTAR = slice(257, 262)


def is_archive(tree: Tree, entry: Entry) -> bool:
    """Whether a file begins as a tar does, or as one of the compressions that Docker undoes."""
    if entry.kind != FILE:
        return False
    fd = tree.open(entry)
    try:
        head = os.pread(fd, 512, 0)
    finally:
        os.close(fd)
    return head.startswith(_COMPRESSED) or head[_USTAR] == b"ustar"
