"""volume: create, ls, rm."""

from __future__ import annotations

from cowl import Invalid
from cowl.cli import human, rows
from cowl.cli.pairs import pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Volume
    from cowl.cli.call import Call
    from cowl.cli.rows import Row

HEADERS = {
    "Name": "VOLUME NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "Mountpoint": "MOUNTPOINT",
    "Labels": "LABELS",
    "Label": "LABEL",
    "Links": "LINKS",
    "Size": "SIZE",
    "Availability": "AVAILABILITY",
    "Group": "GROUP",
    "Status": "STATUS",
}
COLUMNS = ("Driver", "Name")
FILTERS = ("dangling", "driver", "label", "name")
NOT_HERE = "N/A"  # what Docker says of clusters' volumes' columns, and of sizes that nobody asked for


class UnknownDriver(Invalid):
    """Docker's plugins are not cowl's."""


def create(call: Call) -> int:
    """`cowl volume create`: prints its name."""
    if call.text("driver") != "local":
        raise UnknownDriver(
            f"there is no volume driver {call.text('driver')!r}", hint="Volumes lie in the store: -d local."
        )
    with call.engine() as engine:
        print(engine.create_volume(*call.words, labels=pairs(call.many("label"))).name)
    return 0


def list_volumes(call: Call) -> int:
    """`cowl volume ls`."""
    wanted = {}
    if call.many("filter"):
        from cowl.cli import filters

        wanted = filters.parse(call.many("filter"), FILTERS)
    template = call.text("format")
    sizes = ".Size" in template
    with call.engine() as engine:
        found = [_row(volume, sizes) for volume in engine.volumes() if _passes(volume, wanted)]
    if call.on("quiet") and template in ("", "table"):
        template = "{{.Name}}"
    rows.write(found, HEADERS, COLUMNS, template)
    return 0


def _row(volume: Volume, sizes: bool) -> Row:
    labels = volume.labels
    return {
        "Name": volume.name,
        "Driver": "local",
        "Scope": "local",
        "Mountpoint": volume.mountpoint,
        "Labels": ",".join(sorted(f"{key}={value}" for key, value in labels.items())),
        "Label": lambda key: labels.get(key, ""),
        "Links": str(len(volume.containers)),
        "Size": human.size(volume.size()) if sizes else NOT_HERE,
        "Availability": NOT_HERE,
        "Group": NOT_HERE,
        "Status": NOT_HERE,
    }


def _passes(volume: Volume, wanted: dict[str, list[str]]) -> bool:
    if not wanted:
        return True
    from cowl.cli.filters import boolean, expression, labels_match

    if "dangling" in wanted and boolean(wanted["dangling"]) == bool(volume.containers):
        return False
    if "driver" in wanted and "local" not in wanted["driver"]:
        return False
    if "name" in wanted and not any(expression(text).search(volume.name) for text in wanted["name"]):
        return False
    return labels_match(wanted.get("label", ()), volume.labels)


def remove(call: Call) -> int:
    """`cowl volume rm`: prints what it removed; goes on after one that can't be removed."""
    from cowl.cli.removal import dry_run, each, tell

    with call.engine() as engine:
        if call.on("dry-run"):
            return dry_run(call, engine.plan_removal(volumes=call.words))
        return each(call, lambda name: tell(call, engine.remove_volume(name, force=call.on("force")), [name]))
