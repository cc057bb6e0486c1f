"""builder prune."""

from __future__ import annotations

import sys

from cowl import CowlError, Invalid
from cowl.cli import human

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call

WARNING = "WARNING! This will remove all build cache. Are you sure you want to continue? [y/N] "
KINDS = ("regular", "exec.cachemount")


class Cancelled(CowlError):
    """The user did not say yes."""


def confirm(warning: str, what: str) -> None:
    """Asks on standard error. Raises Cancelled unless the answer is yes."""
    print(warning, end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Cancelled(f"{what} has been cancelled")


def prune_build_cache(call: Call) -> int:
    """`cowl builder prune`."""
    kinds = _kinds(call.many("filter"))
    if not call.on("force"):
        confirm(WARNING, "builder prune")
    with call.engine() as engine:
        freed = engine.prune_build_cache(steps="regular" in kinds, mounts="exec.cachemount" in kinds)
    print(f"Total reclaimed space: {human.size(freed)}")
    return 0


def _kinds(filters: tuple[str, ...]) -> set[str]:
    """The kinds of records to remove, under BuildKit's names."""
    kinds = set()
    for word in filters:
        key, _, value = word.partition("=")
        if key != "type" or value not in KINDS:
            raise Invalid(f"invalid filter {word!r}", hint=f"It is type={' or type='.join(KINDS)}.")
        kinds.add(value)
    return kinds or set(KINDS)
