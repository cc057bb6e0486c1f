"""builder prune."""

from __future__ import annotations

import sys

from cowl import CowlError
from cowl.cli import human

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call

WARNING = "WARNING! This will remove all build cache. Are you sure you want to continue? [y/N] "


class Cancelled(CowlError):
    """The user did not say yes."""


def prune_build_cache(call: Call) -> int:
    """`cowl builder prune`."""
    if not call.on("force"):
        print(WARNING, end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Cancelled("builder prune has been cancelled")
    with call.engine() as engine:
        freed = engine.prune_build_cache()
    print(f"Total reclaimed space: {human.size(freed)}")
    return 0
