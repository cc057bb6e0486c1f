"""The rows of `system df -v`: one for each image, container, volume, cached step, snapshot and layer."""

from __future__ import annotations

from cowl.cli import human, images, names, ps
from cowl.cli.text import command_line, ellipsis, quoted, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.cli.rows import Row

TOLD = 60  # columns of CREATED BY
SHARERS = 3  # images that are named


def image_row(image: Any, sharers: list[str], now: float, full: bool) -> Row:
    """An image; `sharers`: what to call the others that it has layers in common with."""
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
        "OnDisk": human.size(image.allocated_bytes),
        "Frees": human.size(image.frees_bytes),
        "LastUsedAt": human.date(image.last_used),
        "LastUsedSince": human.ago(image.last_used, now),
        "SharedWith": _named(sharers, full),
    }


def _named(found: list[str], full: bool) -> str:
    more = len(found) - SHARERS
    if full or more <= 0:
        return ", ".join(found)
    return f"{', '.join(found[:SHARERS])} and {more} more"


def image_names(images_: Any) -> dict[str, str]:
    """What to call each image, by ID: its first name, else the beginning of its ID."""
    return {
        image.id: f"{image.repository}:{image.tag}" if image.references else short_id(image.id)
        for image in images_
    }


def image_of(box: Any, ids: dict[str, str]) -> str:
    """The name that the container was started by while that stands for its image, else the image's ID."""
    name = names.canonical(box.image) + (":latest" if names.lacks_tag(box.image) else "")
    return str(box.image if ids.get(name) == box.image_id else box.image_id)


def container_row(box: Any, image: str, now: float, full: bool) -> Row:
    """A container and what it wrote."""
    command = command_line(box.command)
    return {
        "ID": box.id if full else short_id(box.id),
        "Names": ",".join(box.names),
        "Image": image if full or not image.startswith("sha256:") else short_id(image),
        "Command": quoted(command if full else ellipsis(command, ps.COMMAND_ROOM)),
        "LocalVolumes": str(len(box.volumes)),
        "Size": human.short_size(box.size_bytes),
        "CreatedAt": human.date(box.created_at),
        "RunningFor": human.ago(box.created_at, now),
        "State": box.state,
        "Status": human.container_status(box.state, box.exit_code, box.started_at, box.finished_at, now),
        "NewSize": human.short_size(box.new_bytes or 0),
        "CopiedUpSize": human.short_size(box.copied_up_bytes or 0),
        "VirtualSize": human.short_size(box.virtual_bytes),
        "LogSize": human.size(box.log_bytes),
        "OnDisk": human.size(box.allocated_bytes),
    }


def volume_row(volume: Any) -> Row:
    """A volume; links are the containers that use it."""
    return {
        "Name": volume.name,
        "Driver": "local",
        "Scope": "local",
        "Links": str(len(volume.containers)),
        "Size": human.size(volume.size_bytes),
        "OnDisk": human.size(volume.allocated_bytes),
    }


def step_row(step: Any, now: float, full: bool) -> Row:
    """A cached step."""
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


def cache_mount_row(mount: Any, now: float, full: bool) -> Row:
    """What RUN --mount=type=cache keeps."""
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


def snapshot_row(snapshot: Any, now: float, full: bool) -> Row:
    """A snapshot; links are the containers that stand on it."""
    return {
        "ID": snapshot.id if full else snapshot.id[:12],
        "Name": snapshot.name,
        "Container": snapshot.container_id if full else snapshot.container_id[:12],
        "CreatedAt": human.date(snapshot.created_at),
        "CreatedSince": human.ago(snapshot.created_at, now),
        "Size": human.short_size(snapshot.size_bytes),
        "OnDisk": human.size(snapshot.allocated_bytes),
        "Frees": human.size(snapshot.frees_bytes),
        "Links": str(len(snapshot.containers)),
    }


def layer_row(layer: Any, names_of: dict[str, str], full: bool) -> Row:
    """A layer: whose bytes it is, and which instruction made it."""
    told = f"{layer.instruction} (line {layer.line})" if layer.line else layer.instruction
    return {
        "ID": layer.key if full else layer.key[:12],
        "DiffID": layer.diff_id,
        "Size": human.short_size(layer.size_bytes),
        "OnDisk": human.size(layer.attributed_bytes),
        "Files": str(layer.files),
        "Whiteouts": str(layer.whiteouts),
        "Owner": layer.owner,
        "Images": _named([names_of[each] for each in layer.images], full) if full else str(len(layer.images)),
        "CreatedBy": told if full else ellipsis(told.replace("\t", " "), TOLD),
        "Line": layer.line,
    }
