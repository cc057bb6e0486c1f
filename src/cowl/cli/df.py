"""system df: where the disk went."""

from __future__ import annotations

import sys
import time

from cowl.cli import human, images, names, ps, rows
from cowl.cli.text import command_line, ellipsis, quoted, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl import Usage
    from cowl.cli.call import Call
    from cowl.cli.rows import Row

HEADERS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}
CACHE_HEADERS = {
    "ID": "CACHE ID",
    "CacheType": "CACHE TYPE",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "LastUsedSince": "LAST USED",
    "UsageCount": "USAGE",
    "Shared": "SHARED",
    "Description": "DESCRIPTION",
}
VOLUME_HEADERS = {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}
IMAGE_COLUMNS = (
    "Repository",
    "Tag",
    "ID",
    "CreatedSince",
    "Size",
    "SharedSize",
    "UniqueSize",
    "Containers",
)
CONTAINER_COLUMNS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")
CACHE_COLUMNS = ("ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared")


def disk_usage(call: Call) -> int:
    """`cowl system df`."""
    with call.engine() as engine:
        usage = engine.usage()
    template = call.text("format")
    if not call.on("verbose"):
        rows.write(summary_rows(usage), HEADERS, tuple(HEADERS), template)
        return 0
    full = template not in ("", "table")
    sections = verbose_rows(usage, time.time(), full=full)
    if not full:
        sys.stdout.write(_sections(usage, sections))
    elif template == "json":
        print(rows.to_json(sections))
    else:
        from cowl.cli.template import render_object

        print(render_object(template, sections))
    return 0


def summary_rows(usage: Usage) -> list[Row]:
    """Docker's four rows. Sizes are apparent, as in `images`."""
    return [
        {
            "Type": row.kind,
            "TotalCount": str(row.total),
            "Active": str(row.active),
            "Size": human.size(row.size_bytes),
            "Reclaimable": _reclaimable(row.kind, row.reclaimable_bytes, row.size_bytes),
        }
        for row in usage.rows
    ]


def _reclaimable(kind: str, part: int, whole: int) -> str:
    if whole == 0 or kind == "Build Cache":
        return human.size(part)
    return f"{human.size(part)} ({part * 100 // whole}%)"


def verbose_rows(usage: Usage, now: float, *, full: bool = False) -> dict[str, Any]:
    """The rows of `system df -v` by section, under Docker's names."""
    ids = {reference: image.id for image in usage.images for reference in image.references}
    return {
        "Images": [_image(image, now, full) for image in usage.images],
        "Containers": [_container(box, _image_name(box, ids), now, full) for box in usage.containers],
        "Volumes": [],
        "BuildCache": [
            *(_cached(step, now, full) for step in usage.cache),
            *(_cache_mount(mount, now, full) for mount in usage.cache_mounts),
        ],
    }


def _image(image: Any, now: float, full: bool) -> Row:
    created = human.epoch(image.created)
    return {
        "ID": image.id if full else short_id(image.id),
        "Repository": image.repository,
        "Tag": image.tag or images.NONE,
        "Digest": images.NONE,
        "CreatedSince": human.ago(created, now) if created else "N/A",
        "CreatedAt": human.date(created) if created else "N/A",
        "Size": human.short_size(image.size_bytes),
        "VirtualSize": human.size(image.size_bytes),
        # Docker gives these two a digit more, and then they don't add up at sight
        "SharedSize": human.short_size(image.shared_bytes),
        "UniqueSize": human.short_size(image.unique_bytes),
        "Containers": str(image.containers),
    }


def _image_name(box: Any, ids: dict[str, str]) -> str:
    """The name that the container was started by while that stands for its image, else the image's ID."""
    name = names.canonical(box.image) + (":latest" if names.lacks_tag(box.image) else "")
    return str(box.image if ids.get(name) == box.image_id else box.image_id)


def _container(box: Any, image: str, now: float, full: bool) -> Row:
    command = command_line(box.command)
    return {
        "ID": box.id if full else short_id(box.id),
        "Names": ",".join(box.names),
        "Image": image if full or not image.startswith("sha256:") else short_id(image),
        "Command": quoted(command if full else ellipsis(command, ps.COMMAND_ROOM)),
        "LocalVolumes": "0",
        "Size": human.short_size(box.size_bytes),
        "CreatedAt": human.date(box.created_at),
        "RunningFor": human.ago(box.created_at, now),
        "State": box.state,
        "Status": human.container_status(box.state, box.exit_code, box.started_at, box.finished_at, now),
    }


def _cached(step: Any, now: float, full: bool) -> Row:
    return {
        "ID": step.key if full else step.key[:12],
        "CacheType": "regular",
        "Size": human.size(step.size_bytes),
        "CreatedAt": human.date(step.created_at),
        "CreatedSince": human.ago(step.created_at, now),
        "LastUsedAt": human.date(step.last_used),
        "LastUsedSince": human.ago(step.last_used, now),
        "UsageCount": "",
        "InUse": "true" if step.in_use else "false",
        "Shared": "true" if step.shared else "false",
        "Description": step.description,
    }


def _cache_mount(mount: Any, now: float, full: bool) -> Row:
    return {
        "ID": mount.id if full else mount.id[:12],
        "CacheType": "exec.cachemount",
        "Size": human.size(mount.size_bytes),
        "CreatedAt": human.date(mount.created_at),
        "CreatedSince": human.ago(mount.created_at, now),
        "LastUsedAt": human.date(mount.last_used),
        "LastUsedSince": human.ago(mount.last_used, now),
        "UsageCount": "",
        "InUse": "true" if mount.in_use else "false",
        "Shared": "false",
        "Description": f"cache mount {mount.name}",
    }


def _sections(usage: Usage, sections: dict[str, Any]) -> str:
    cache = next((row.size_bytes for row in usage.rows if row.kind == "Build Cache"), 0)
    parts: tuple[tuple[str, list[Row], dict[str, str], tuple[str, ...]], ...] = (
        ("Images space usage:", sections["Images"], images.HEADERS, IMAGE_COLUMNS),
        ("\nContainers space usage:", sections["Containers"], ps.HEADERS, CONTAINER_COLUMNS),
        ("\nLocal Volumes space usage:", [], VOLUME_HEADERS, tuple(VOLUME_HEADERS)),
        (f"\nBuild cache usage: {human.size(cache)}", sections["BuildCache"], CACHE_HEADERS, CACHE_COLUMNS),
    )
    return "".join(
        f"{title}\n\n{rows.rendered(found, headers, columns, '')}" for title, found, headers, columns in parts
    )
