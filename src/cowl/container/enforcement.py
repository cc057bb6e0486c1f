"""How a container's limits are enforced on this machine: its cgroup, and what is written to it."""

from __future__ import annotations

import os

from cowl.errors import Unavailable
from cowl.linux.cgroups import MOUNT, V2, default_path, find_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.container.limits import Limits
    from cowl.linux.cgroups import Place

DEFAULT_PIDS = 2048
_PERIOD = 100_000  # microseconds, the kernel's own


class LimitNotAvailable(Unavailable):
    """Limits were asked of a container that can have no cgroup. Fields: options, reason."""

    def __init__(self, options: list[str], reason: str) -> None:
        self.options = tuple(options)
        self.reason = reason
        root = os.geteuid() == 0
        super().__init__(
            f"{', '.join(options)} can't be enforced: {reason}",
            hint="mount the cgroup file systems"
            if root
            else "limits of a user need a delegated cgroup of version 2 (a systemd user session has one),"
            " or root; --ulimit needs neither",
        )


def check_place(asked: Limits, place: Place) -> None:
    """Raises LimitNotAvailable for limits where there is no place for a cgroup."""
    if place.blocker and (options := asked.asked()):
        raise LimitNotAvailable(options, place.blocker)


def container_fields(asked: Limits | None, identity: str, place: Place | None = None) -> dict[str, Any]:
    """The fields of ContainerOptions for a container with that ID. Raises LimitNotAvailable.

    Without a place for one it has no cgroup, which is an error only where limits were asked for.
    """
    place = place or find_place()
    if asked is None:
        if place.blocker:
            return {}
        return {"cgroup": default_path(place.path, identity), "resources": _usual(place)}
    check_place(asked, place)
    fields: dict[str, Any] = {
        "limits": rlimits(asked),
        "oom_score": asked.oom_score_adj,
        **({"shm_bytes": asked.shm_size} if asked.shm_size else {}),
    }
    if place.blocker:
        return fields
    return {
        **fields,
        "cgroup": _cgroup_path(asked, identity, place),
        "resources": {**_usual(place), **resources(asked, place)},
    }


def rlimits(asked: Limits | None) -> tuple[tuple[str, int, int], ...]:
    """For ProcessOptions: what every process in the container gets."""
    given = asked.ulimits if asked is not None else ()
    return tuple((f"RLIMIT_{name.upper()}", soft, hard) for name, soft, hard in given)


def _cgroup_path(asked: Limits, identity: str, place: Place) -> str:
    """Where its cgroup is made."""
    parent = asked.cgroup_parent
    if not parent:
        return default_path(place.path, identity)
    above = "" if parent.startswith("/") else place.path.rstrip("/")
    return f"{above}/{parent.strip('/')}/{identity}"


def resources(asked: Limits, place: Place) -> dict[str, Any]:
    """What was asked for, as a `linux.resources` of a runtime-spec."""
    parts = {
        "memory": _memory(asked, place),
        "cpu": _cpu(asked),
        "pids": _pids(asked),
        "blockIO": {"weight": asked.blkio_weight or None},
    }
    found = {
        name: {key: each for key, each in part.items() if each is not None} for name, part in parts.items()
    }
    return {name: part for name, part in found.items() if part}


def _usual(place: Place) -> dict[str, Any]:
    """What every container gets, as far as it can be had."""
    usual: dict[str, Any] = {}
    if "pids" in place.controllers:
        usual["pids"] = {"limit": DEFAULT_PIDS}
    if place.version == V2 and "memory" in place.controllers:
        usual["unified"] = {"memory.oom.group": "1"}  # what is left of a container would be of no use
    return usual


def _memory(asked: Limits, place: Place) -> dict[str, Any]:
    swappiness = asked.memory_swappiness
    return {
        "limit": asked.memory or None,
        "reservation": asked.memory_reservation or None,
        "swap": _swap(asked, place) or None,
        "swappiness": None if swappiness == -1 else swappiness,
        "disableOOMKiller": asked.oom_kill_disable or None,
    }


def _swap(asked: Limits, place: Place) -> int:
    """What is implied is left out where the kernel counts no swap; what was asked for is then an error."""
    from cowl.container.limits import swap_bytes

    if asked.memory_swap or not asked.memory:
        return asked.memory_swap
    counted = "/proc/swaps" if place.version == V2 else f"{MOUNT}/memory/memory.memsw.limit_in_bytes"
    return swap_bytes(asked) if os.path.exists(counted) else 0


def _cpu(asked: Limits) -> dict[str, Any]:
    quota, period = asked.cpu_quota, asked.cpu_period
    if asked.nano_cpus:
        quota, period = max(1000, asked.nano_cpus * _PERIOD // 10**9), _PERIOD
    return {
        "shares": asked.cpu_shares or None,
        "quota": quota or None,
        "period": period or None,
        "cpus": asked.cpuset_cpus or None,
        "mems": asked.cpuset_mems or None,
    }


def _pids(asked: Limits) -> dict[str, int | None]:
    limit = asked.pids_limit
    return {"limit": limit if limit is None or limit > 0 else -1}
