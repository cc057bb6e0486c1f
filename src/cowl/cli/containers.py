"""rm and rename."""

from __future__ import annotations

from cowl import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call


def remove(call: Call) -> int:
    """`cowl rm`: prints what it removed; goes on after one that can't be removed."""
    from cowl.cli.removal import dry_run, each, tell

    force, volumes = call.on("force"), call.on("volumes")
    with call.engine() as engine:
        if call.on("dry-run"):
            return dry_run(call, engine.plan_removal(containers=call.words, force=force, anonymous=volumes))
        return each(
            call,
            lambda name: tell(call, engine.remove_container(name, force=force, volumes=volumes), [name]),
        )


class NoName(Invalid):
    """A container without a name can't be named, nor can there be one."""


def rename(call: Call) -> int:
    """`cowl rename`."""
    old, new = call.words
    if not old.strip() or not new.strip():
        raise NoName("Error: Neither old nor new names may be empty")
    with call.engine() as engine:
        engine.container(old).rename(new)
    return 0
