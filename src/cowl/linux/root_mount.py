"""How to put a root file system together: made by the store, mounted by the runtime."""

from __future__ import annotations

from cowl.value import Value


class RootMount(Value):
    """An overlay(fs) stack, as data.

    lowers  absolute paths of read-only trees in overlayfs form (whiteouts as 0:0 character
            devices, opaque directories marked `user.overlay.opaque=y`), topmost first, at least one
    upper   absolute path of the writable tree, or "" for a read-only root
    work    absolute path of overlayfs's work directory, on the file system of `upper`
    """

    lowers: tuple[str, ...]
    upper: str = ""
    work: str = ""
