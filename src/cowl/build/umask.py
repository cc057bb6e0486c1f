"""The umask that a checkout was made with, taken back: clones of one repository then have the same modes.

git keeps of a mode only whether the owner may execute a file; the rest is the umask of whoever cloned.
Where all of a context bears the marks of another umask than 022 (nobody but the owner may read anything, or
the group may write everything), its files are seen as 022 would have made them. One odd file changes
nothing: in a context that others may read, a file of mode 0600 was meant so.
"""

from __future__ import annotations

import stat

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_GROUP, _OTHERS = 0o070, 0o007
_WRITE = 0o022
_SPECIAL = 0o7000


class Umask(Value):
    """How modes differ from those that the umask 022 gives.

    missing  the classes (0070, 0007) whose bits no file has
    excess   the bits of 0022 that every file has
    """

    missing: int = 0
    excess: int = 0

    def undone(self, mode: int) -> int:
        """The permission bits as the umask 022 would have left them. What is setuid or sticky stays."""
        if mode & _SPECIAL:
            return mode
        owners = stat.S_IMODE(mode) & 0o500
        if self.missing & _GROUP:
            mode |= owners >> 3
        if self.missing & _OTHERS:
            mode |= owners >> 6
        return mode & ~self.excess


USUAL = Umask()


def umask_of(modes: Iterable[int]) -> Umask:
    """What the modes of all files and directories of a tree (no links) tell; reads no more than it needs.

    In a tree of the umask 022 the first file or two decide.
    """
    seen, excess = 0, _WRITE
    for mode in modes:
        seen |= mode
        if mode & 0o200:
            excess &= mode
        if not excess and seen & _GROUP and seen & _OTHERS:
            return USUAL
    missing = (0 if seen & _GROUP else _GROUP) | (0 if seen & _OTHERS else _OTHERS)
    return Umask(missing, excess) if seen else USUAL
