"""ps: the list of containers."""

from __future__ import annotations

import time

from cowl.cli import human, rows
from cowl.cli.text import command_line, ellipsis, quoted, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cowl import Container
    from cowl.cli.call import Call
    from cowl.cli.container_filters import Wanted
    from cowl.cli.rows import Row

HEADERS = {
    "ID": "CONTAINER ID",
    "Names": "NAMES",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Ports": "PORTS",
    "State": "STATE",
    "Status": "STATUS",
    "Size": "SIZE",
    "Labels": "LABELS",
    "Label": "LABEL",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
}
COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
COMMAND_ROOM = 20
ACTIVE = ("running", "paused", "restarting")


def list_containers(call: Call) -> int:
    """`cowl ps`."""
    last = 1 if call.on("latest") else call.number("last")
    size = call.on("size")
    with call.engine() as engine:
        wanted = _wanted(call.many("filter"))
        every = call.on("all") or last > 0 or (wanted is not None and wanted.every)
        containers = engine.containers(all=every)
        if wanted is not None:
            containers = wanted.among(engine, containers)
        shown = containers[:last] if last > 0 else containers
        found = container_rows(
            shown,
            time.time(),
            image_ids=engine.image_ids({box.image for box in shown}),
            full=call.on("no-trunc"),
            sizes=size or ".Size" in call.text("format"),
        )
        columns = (*COLUMNS, "Size") if size else COLUMNS
        rows.write(found, HEADERS, columns, call.text("format"), quiet=call.on("quiet"))
    return 0


def _wanted(words: Sequence[str]) -> Wanted | None:
    if not words:
        return None
    from cowl.cli.container_filters import Wanted

    return Wanted(words)


def container_rows(
    containers: Iterable[Container],
    now: float,
    *,
    image_ids: Mapping[str, str] | None = None,
    full: bool = False,
    sizes: bool = False,
) -> list[Row]:
    """One row a container; with `sizes` the uppers of running ones are measured.

    `image_ids` are the IDs that names stand for now: a container whose image has lost the name that it
    was started by is shown with the image's ID.
    """
    rows = []
    for container in containers:
        image = container.image
        if image_ids is not None and image_ids.get(image) != container.image_id:
            image = container.image_id
        rows.append(_row(container, image, now, full, sizes))
    return rows


def _row(container: Container, image: str, now: float, full: bool, sizes: bool) -> Row:
    command = command_line(container.command)
    labels = container.labels
    settings = container.settings
    mounts = settings.mounts
    return {
        "ID": container.id if full else short_id(container.id),
        "Names": container.name,
        "Image": image if full or not image.startswith("sha256:") else short_id(image),
        "Command": quoted(command if full else ellipsis(command, COMMAND_ROOM)),
        "CreatedAt": human.date(container.created_at),
        "RunningFor": human.ago(container.created_at, now),
        "Ports": _ports(container),
        "State": container.state,
        "Status": _status(container, now),
        "Size": size_text(*container.size()) if sizes else "0B",
        "Labels": ",".join(sorted(f"{key}={value}" for key, value in labels.items())),
        "Label": _label(labels),
        "Mounts": ",".join(
            each.source if full else ellipsis(each.source, 15) for each in mounts if each.source
        ),
        "LocalVolumes": str(sum(each.kind == "volume" for each in mounts)),
        "Networks": ",".join(container.network_names),
    }


def _ports(container: Container) -> str:
    """Of one that has a network of its own and runs."""
    if (
        not container.exposed
        or container.state not in ACTIVE
        or container.network_names[0] in ("none", "host")
    ):
        return ""
    from cowl.cli.port import ports_text

    return ports_text(container.exposed, container.ports())


def _status(container: Container, now: float) -> str:
    """With its health, where that is looked at."""
    said = human.container_status(
        container.state, container.exit_code, container.started_at, container.finished_at, now
    )
    health = container.health if container.state == "running" else None
    if health is None:
        return said
    return f"{said} ({'health: starting' if health.status == 'starting' else health.status})"


def size_text(written: int, virtual: int) -> str:
    """What the container wrote, and that with its image."""
    return f"{human.short_size(written)} (virtual {human.short_size(virtual)})"


def _label(labels: dict[str, str]) -> Callable[[str], str]:
    """The template method {{.Label "key"}}."""
    return lambda key: labels.get(key, "")
