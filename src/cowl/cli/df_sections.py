"""The sections of `system df -v`: Docker's, then what Docker has not, where there is any."""

from __future__ import annotations

from cowl.cli import human, images, ps, rows
from cowl.cli.df_rows import (
    cache_mount_row,
    container_row,
    image_names,
    image_of,
    image_row,
    layer_row,
    snapshot_row,
    step_row,
    volume_row,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl import Usage
    from cowl.cli.rows import Row

IMAGE_COLUMNS = (
    *("Repository", "Tag", "ID", "CreatedSince"),
    *("Size", "SharedSize", "UniqueSize", "Containers"),
)
CONTAINER_COLUMNS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")
VOLUME_HEADERS = {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}
CACHE_HEADERS = {
    "ID": "CACHE ID",
    "CacheType": "CACHE TYPE",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "LastUsedSince": "LAST USED",
    "UsageCount": "USAGE",
    "Shared": "SHARED",
}
SNAPSHOT_HEADERS = {
    "ID": "SNAPSHOT ID",
    "Name": "NAME",
    "Container": "CONTAINER ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
    "OnDisk": "ON DISK",
    "Frees": "FREES",
    "Links": "LINKS",
}
IMAGE_DETAILS = {
    "ID": "IMAGE ID",
    "OnDisk": "ON DISK",
    "Frees": "FREES",
    "LastUsedSince": "LAST USED",
    "SharedWith": "SHARED WITH",
}
CONTAINER_DETAILS = {
    "ID": "CONTAINER ID",
    "NewSize": "NEW",
    "CopiedUpSize": "COPIED UP",
    "VirtualSize": "VIRTUAL SIZE",
    "LogSize": "LOG ON DISK",
    "OnDisk": "ON DISK",
}
LAYER_HEADERS = {
    "ID": "LAYER",
    "Size": "SIZE",
    "OnDisk": "ON DISK",
    "Files": "FILES",
    "Whiteouts": "WHITEOUTS",
    "Owner": "OWNER",
    "Images": "IMAGES",
    "CreatedBy": "CREATED BY",
}
OWNER_HEADERS = {"Owner": "OWNER", "OnDisk": "ON DISK"}


def section_rows(usage: Usage, now: float, *, full: bool = False) -> dict[str, Any]:
    """The rows by section: Docker's four under Docker's names, and cowl's own."""
    ids = {reference: image.id for image in usage.images for reference in image.references}
    called = image_names(usage.images)
    return {
        "Images": [
            image_row(image, [called[each] for each in usage.sharers(image.id)], now, full)
            for image in usage.images
        ],
        "Containers": [container_row(box, image_of(box, ids), now, full) for box in usage.containers],
        "Volumes": [volume_row(volume) for volume in usage.volumes],
        "BuildCache": [
            *(step_row(step, now, full) for step in usage.cache),
            *(cache_mount_row(mount, now, full) for mount in usage.cache_mounts),
        ],
        "Snapshots": [snapshot_row(snapshot, now, full) for snapshot in usage.snapshots],
        "Layers": [layer_row(layer, called, full) for layer in usage.layers],
        "Owners": [
            {"Owner": owner, "OnDisk": human.size(size), "Bytes": size}
            for owner, size in (*usage.owners.items(), ("total", usage.total_allocated_bytes))
        ],
    }


def sections(usage: Usage, found: dict[str, Any]) -> str:
    """The tables, one below the other."""
    cache = next((row.size_bytes for row in usage.rows if row.kind == "Build Cache"), 0)
    parts = [
        _table("Images space usage:", found["Images"], images.HEADERS, IMAGE_COLUMNS),
        _table("Containers space usage:", found["Containers"], ps.HEADERS, CONTAINER_COLUMNS),
        _table("Local Volumes space usage:", found["Volumes"], VOLUME_HEADERS),
        _table(f"Build cache usage: {human.size(cache)}", found["BuildCache"], CACHE_HEADERS),
    ]
    for title, name, headers in (
        ("Snapshots space usage:", "Snapshots", SNAPSHOT_HEADERS),
        ("Images on disk:", "Images", IMAGE_DETAILS),
        ("What containers wrote:", "Containers", CONTAINER_DETAILS),
        ("Layers space usage:", "Layers", LAYER_HEADERS),
        ("On disk by owner:", "Owners", OWNER_HEADERS),
    ):
        if found[name]:
            parts.append(_table(title, found[name], headers))
    return "\n".join(parts)


def _table(title: str, found: list[Row], headers: dict[str, str], columns: tuple[str, ...] = ()) -> str:
    return f"{title}\n\n{rows.rendered(found, headers, columns or tuple(headers), '')}"
