"""A container at rest, as far as its files go: what is mounted for a visit to them."""

from __future__ import annotations

import os

from cowl.linux.root_mount import RootMount
from cowl.linux.rung import IDS_BASE, IDS_COUNT, SINGLE
from cowl.runtime.options import Bind
from cowl.runtime.spec import bind_mount
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Premises(Value):
    """Layers and mounts without a process.

    mapped     it has a user namespace of its own
    read_only  its root file system can't be written, its mounts perhaps can
    """

    root: RootMount
    binds: tuple[Bind, ...] = ()
    mapped: bool = True
    read_only: bool = False


def visit_job(place: Premises, function: str, rung: str) -> dict[str, Any]:
    """The job of `Runtime.visit` as it travels in JSON."""
    return {
        "rung": rung,
        "mapped": True,  # nothing of the image is executed: no sealed copy is needed
        "lowers": place.root.lowers,
        "upper": place.root.upper,
        "work": place.root.work,
        "visit": {
            "function": function,
            "mapped": place.mapped,
            "readonly": place.read_only,
            "mounts": [bind_mount(bind, rung) for bind in place.binds],
            "uidMappings": _mapping(place, rung, os.geteuid()),
            "gidMappings": _mapping(place, rung, os.getegid()),
        },
    }


def _mapping(place: Premises, rung: str, own: int) -> list[dict[str, int]]:
    if not place.mapped:
        return []
    if rung == SINGLE:
        return [{"containerID": 0, "hostID": own, "size": 1}]
    return [{"containerID": 0, "hostID": IDS_BASE, "size": IDS_COUNT}]
