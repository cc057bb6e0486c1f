"""pause, unpause and update."""

from __future__ import annotations

from cowl import Invalid
from cowl.cli.life import status_of_each
from cowl.cli.limit_flags import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call


class NothingToUpdate(Invalid):
    """`cowl update` without a flag."""


def pause(call: Call) -> int:
    """`cowl pause`: prints each name; goes on after one that can't be paused."""
    return status_of_each(call, lambda box: box.pause())


def unpause(call: Call) -> int:
    """`cowl unpause`: likewise."""
    return status_of_each(call, lambda box: box.unpause())


def update(call: Call) -> int:
    """`cowl update`: likewise."""
    changes = limits(call)
    restart = call.text("restart") if call.given("restart") else None
    if not changes and restart is None:
        raise NothingToUpdate("you must provide one or more flags when using this command")
    return status_of_each(call, lambda box: box.update(restart=restart, **changes))
