"""create, and run -d: containers that do not need us."""

from __future__ import annotations

from cowl.cli.new_container import PullListener, check, options, write_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Container, Engine
    from cowl.cli.call import Call


def create(call: Call) -> int:
    """`cowl create`: prints the container's ID."""
    check(call)
    listener = PullListener(quiet=call.on("quiet"))
    with call.engine(listener) as engine:
        _announce(fetch_and_create(call, engine, listener))
    return 0


def run_detached(call: Call) -> int:
    """`cowl run -d`. The ID is printed before the start, as Docker does: it is there also if that fails."""
    listener = PullListener(quiet=call.on("quiet"))
    with call.engine(listener) as engine:
        engine.warm_up(detach=True)
        box = fetch_and_create(call, engine, listener)
        _announce(box)
        box.start(detach=True)
    return 0


def _announce(box: Container) -> None:
    print(box.id, flush=True)


def fetch_and_create(call: Call, engine: Engine, listener: PullListener) -> Container:
    """A container as the flags say, its image fetched if need be."""
    image, *command = call.words
    listener.fetch(engine, image, call.text("pull"), call.text("platform"))
    box = engine.create(image, command, remove=call.on("rm"), **options(call))
    write_id(call.text("cidfile"), box)
    return box
