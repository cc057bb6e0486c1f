"""--cap-add and --cap-drop: which capabilities a container has, by Docker's rules. Pure."""

from __future__ import annotations

from cowl.container.words import InvalidOptions
from cowl.linux.credentials import CAPABILITIES as EVERY
from cowl.runtime.options import CAPABILITIES as DEFAULT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

ALL = "ALL"


class UnknownCapability(InvalidOptions):
    """No capability of linux/capability.h has that name."""

    def __init__(self, option: str, word: str) -> None:
        self.word = word
        hint = "repeat the flag for each capability" if "," in word else "the names are in capabilities(7)"
        super().__init__(f"invalid {option}: unknown capability: {word!r}", hint=hint)


def fold_capabilities(add: Sequence[str], drop: Sequence[str], *, privileged: bool) -> tuple[str, ...]:
    """The bounding set, in the order of the kernel's numbers. Raises UnknownCapability.

    As Docker: what is added and dropped is there; after an added ALL it is not; a dropped ALL leaves what
    is added.
    """
    added = {_name("CapAdd", word) for word in add}
    dropped = {_name("CapDrop", word) for word in drop}
    if privileged:
        held = {*EVERY}
    elif ALL in added:
        held = {*EVERY} - dropped
    elif ALL in dropped:
        held = added
    else:
        held = {*DEFAULT} - dropped | added
    return tuple(name for name in EVERY if name in held)


def _name(option: str, word: str) -> str:
    """ "chown", "CAP_CHOWN", ... to the kernel's name; ALL stays."""
    name = word.strip().upper()
    if name in (ALL, "CAP_ALL"):
        return ALL
    name = name if name.startswith("CAP_") else f"CAP_{name}"
    if name not in EVERY:
        raise UnknownCapability(option, word)
    return name
