"""rm and diff."""

from __future__ import annotations

import sys

from cowl import CowlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Engine
    from cowl.cli.call import Call


def remove(call: Call) -> int:
    """`cowl rm`: prints what it removed; goes on after one that can't be removed."""
    failed = 0
    with call.engine() as engine:
        for name in call.words:
            if not _removed(engine, name, force=call.on("force"), volumes=call.on("volumes")):
                failed = 1
    return failed


def _removed(engine: Engine, name: str, *, force: bool, volumes: bool) -> bool:
    from cowl.cli.failure import describe

    try:
        engine.remove_container(name, force=force, volumes=volumes)
    except CowlError as error:
        sys.stdout.flush()
        print(describe(error), file=sys.stderr)
        return False
    print(name)
    return True
