"""snapshot create, ls and rm; fork, restore, promote, commit."""

from __future__ import annotations

import time

from cowl import Invalid, NotFound
from cowl.cli import human, rows
from cowl.cli.interrupts import end_cleanly
from cowl.cli.text import short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Container, Engine, Snapshot
    from cowl.cli.call import Call
    from cowl.cli.rows import Row

HEADERS = {
    "ID": "SNAPSHOT ID",
    "Name": "NAME",
    "Container": "CONTAINER",
    "ContainerID": "CONTAINER ID",
    "Image": "IMAGE",
    "ImageID": "IMAGE ID",
    "CreatedAt": "CREATED AT",
    "CreatedSince": "CREATED",
    "Message": "MESSAGE",
    "Size": "SIZE",
    "VirtualSize": "VIRTUAL SIZE",
}
COLUMNS = ("ID", "Name", "Container", "Image", "CreatedSince", "Size")
FILTERS = ("container", "dangling", "id", "image", "name")
NONE = "<none>"


class NothingToFork(NotFound):
    """Neither a container nor a snapshot goes by that name or ID."""


class ContradictoryPause(Invalid):
    """--pause and --no-pause at once."""


def create(call: Call) -> int:
    """`cowl snapshot create`: prints its ID."""
    end_cleanly()
    with call.engine() as engine:
        box = engine.container(call.words[0])
        print(box.snapshot(call.text("name"), message=call.text("message")).id)
    return 0


def list_snapshots(call: Call) -> int:
    """`cowl snapshot ls`."""
    wanted = {}
    if call.many("filter"):
        from cowl.cli import filters

        wanted = filters.parse(call.many("filter"), FILTERS)
    with call.engine() as engine:
        names = {box.id: box.name for box in engine.containers(all=True)}
        found = [each for each in engine.snapshots() if _passes(each, names, wanted)]
        now, full = time.time(), call.on("no-trunc")
        listed = [_row(each, names, now, full=full) for each in found]
        rows.write(listed, HEADERS, COLUMNS, call.text("format"), quiet=call.on("quiet"))
    return 0


def _row(snapshot: Snapshot, names: dict[str, str], now: float, *, full: bool) -> Row:
    def shown(text: str) -> str:
        return text if full else short_id(text)

    return {
        "ID": shown(snapshot.id),
        "Name": snapshot.name or NONE,
        "Container": names.get(snapshot.container_id, shown(snapshot.container_id)),
        "ContainerID": shown(snapshot.container_id),
        "Image": snapshot.image,
        "ImageID": shown(snapshot.image_id),
        "CreatedAt": human.date(snapshot.created_at),
        "CreatedSince": human.ago(snapshot.created_at, now),
        "Message": snapshot.message,
        "Size": human.short_size(snapshot.size_bytes),
        "VirtualSize": human.short_size(snapshot.virtual_bytes),
    }


def _passes(snapshot: Snapshot, names: dict[str, str], wanted: dict[str, list[str]]) -> bool:
    if not wanted:
        return True
    from cowl.cli.filters import boolean, expression

    if "dangling" in wanted and boolean(wanted["dangling"]) == bool(snapshot.name):
        return False
    box = snapshot.container_id
    checks = {
        "container": lambda text: text and (box.startswith(text) or names.get(box) == text),
        "id": lambda text: snapshot.id.startswith(text),
        "image": lambda text: text in (snapshot.image, snapshot.image_id),
        "name": lambda text: expression(text).search(snapshot.name) is not None,
    }
    return all(any(map(check, wanted[key])) for key, check in checks.items() if key in wanted)


def remove(call: Call) -> int:
    """`cowl snapshot rm`: prints what it removed; goes on after one that can't be removed."""
    from cowl.cli.removal import dry_run, each, tell

    force = call.on("force")
    with call.engine() as engine:
        if call.on("dry-run"):
            return dry_run(call, engine.plan_removal(snapshots=call.words, force=force))
        return each(call, lambda name: tell(call, engine.remove_snapshot(name, force=force), [name]))


def fork(call: Call) -> int:
    """`cowl fork`: prints the IDs of the new containers. A container's name comes before a snapshot's."""
    end_cleanly()
    with call.engine() as engine:
        source = _container_or_snapshot(engine, call.words[0])
        for box in source.fork(call.number("number"), name=call.text("name")):
            print(box.id)
    return 0


def _container_or_snapshot(engine: Engine, name: str) -> Container | Snapshot:
    try:
        return engine.container(name)
    except NotFound:
        pass
    try:
        return engine.snapshot(name)
    except NotFound:
        raise NothingToFork(
            f"No such container or snapshot: {name}",
            hint="`cowl ps -a` and `cowl snapshot ls` list what is there.",
        ) from None


def restore(call: Call) -> int:
    """`cowl restore`: prints the container as it was named."""
    end_cleanly()
    name, snapshot = call.words
    with call.engine() as engine:
        engine.container(name).restore(snapshot)
    print(name)
    return 0


def promote(call: Call) -> int:
    """`cowl promote`: prints the image's ID."""
    end_cleanly()
    name, reference = (*call.words, "")[:2]
    with call.engine() as engine:
        image = engine.snapshot(name).promote(
            reference,
            message=call.text("message"),
            author=call.text("author"),
            changes=call.many("change"),
        )
    print(image.id)
    return 0


def commit(call: Call) -> int:
    """`cowl commit`: prints the image's ID."""
    end_cleanly()
    if call.on("no-pause") and call.given("pause") and call.on("pause"):
        raise ContradictoryPause("--pause and --no-pause contradict each other")
    name, reference = (*call.words, "")[:2]
    with call.engine() as engine:
        image = engine.container(name).commit(
            reference,
            message=call.text("message"),
            author=call.text("author"),
            changes=call.many("change"),
            pause=call.on("pause") and not call.on("no-pause"),
        )
    print(image.id)
    return 0
