"""`linux.resources` of a runtime-spec as what is written to files of a cgroup. Pure.

https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#control-groups. What it says in
version 1's terms becomes version 2's as runc does it.
"""

from __future__ import annotations

from cowl.linux.cgroups import V2
from cowl.runtime.mount_plan import UnsupportedSpec
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_SHARES = (2, 1 << 18)  # of version 1's cpu.shares
_PERIOD = 100_000  # microseconds: the kernel's own
_BLKIO_WEIGHTS = (10, 1000)
_REFUSED_V2 = {"swappiness": "memory.swappiness", "disableOOMKiller": "disableOOMKiller"}


class Setting(Value):
    """One write to a file of a cgroup.

    controller   what the group must have for it
    names        the file, or several of which a kernel has one; what they are told
    words        of the spec, for messages: "memory.limit"
    """

    controller: str
    files: tuple[tuple[str, str], ...]
    words: str


def settings(resources: dict[str, Any], version: str) -> tuple[Setting, ...]:
    """What `resources` come to on that version, in an order in which they can be written.

    Devices are no part of it: in a user namespace no node opens one, else the mounts see to it.
    Raises UnsupportedSpec for what that version does not have.
    """
    of = _v2 if version == V2 else _v1
    return tuple(of(resources))


def _v1(resources: dict[str, Any]) -> Iterator[Setting]:
    memory, cpu = _given(resources, "memory"), _given(resources, "cpu")
    for key, file in _MEMORY_V1.items():
        if key in memory:
            yield _one("memory", file, int(memory[key]), f"memory.{key}")
    if memory.get("disableOOMKiller"):
        yield _one("memory", "memory.oom_control", 1, "memory.disableOOMKiller")
    for key, file in _CPU_V1.items():
        if cpu.get(key):
            yield _one("cpu", file, cpu[key], f"cpu.{key}")
    yield from _cpuset(cpu)
    yield from _pids(resources)
    weight = _given(resources, "blockIO").get("weight")
    if weight:
        files = (("blkio.weight", str(weight)), ("blkio.bfq.weight", str(weight)))
        yield Setting("blkio", files, "blockIO.weight")


# The limit before the sum with swap, which may not be below it.
_MEMORY_V1 = {
    "limit": "memory.limit_in_bytes",
    "swap": "memory.memsw.limit_in_bytes",
    "reservation": "memory.soft_limit_in_bytes",
    "swappiness": "memory.swappiness",
}
_CPU_V1 = {"shares": "cpu.shares", "period": "cpu.cfs_period_us", "quota": "cpu.cfs_quota_us"}


def _v2(resources: dict[str, Any]) -> Iterator[Setting]:
    memory, cpu = _given(resources, "memory"), _given(resources, "cpu")
    for key, name in _REFUSED_V2.items():
        if key in memory and memory[key] is not False:
            raise UnsupportedSpec(
                f"memory.{key} is not to be had: version 2 of the cgroups has no {name}",
                hint="leave it out; a container's memory limit itself can be had",
            )
    limit = memory.get("limit")
    if limit is not None:
        yield _one("memory", "memory.max", _max(limit), "memory.limit")
    if memory.get("swap") is not None:
        yield _one("memory", "memory.swap.max", swap_max(limit or 0, memory["swap"]), "memory.swap")
    if memory.get("reservation") is not None:
        yield _one("memory", "memory.low", _max(memory["reservation"]), "memory.reservation")
    if cpu.get("shares"):
        yield _one("cpu", "cpu.weight", cpu_weight(cpu["shares"]), "cpu.shares")
    if cpu.get("quota") or cpu.get("period"):
        yield _one(
            "cpu", "cpu.max", f"{_max(cpu.get('quota') or -1)} {cpu.get('period') or _PERIOD}", "cpu.quota"
        )
    yield from _cpuset(cpu)
    yield from _pids(resources)
    weight = _given(resources, "blockIO").get("weight")
    if weight:
        files = (("io.bfq.weight", str(weight)), ("io.weight", str(io_weight(weight))))
        yield Setting("io", files, "blockIO.weight")
    for file, value in resources.get("unified", {}).items():
        yield _one(file.partition(".")[0], file, value, f"unified.{file}")


def _cpuset(cpu: dict[str, Any]) -> Iterator[Setting]:
    for key in ("cpus", "mems"):
        if cpu.get(key):
            yield _one("cpuset", f"cpuset.{key}", cpu[key], f"cpu.{key}")


def _pids(resources: dict[str, Any]) -> Iterator[Setting]:
    pids = _given(resources, "pids")
    if pids.get("limit") is not None:
        limit = pids["limit"]
        yield _one("pids", "pids.max", _max(limit if limit > 0 else -1), "pids.limit")


def _given(resources: dict[str, Any], part: str) -> dict[str, Any]:
    found = resources.get(part) or {}
    return {key: value for key, value in found.items() if value is not None}


def _one(controller: str, file: str, value: object, words: str) -> Setting:
    return Setting(controller, ((file, str(value)),), words)


def _max(value: int) -> str:
    return "max" if value < 0 else str(value)


def swap_max(limit: int, swap: int) -> str:
    """Version 2 counts swap alone, where the spec counts memory and swap together. Raises UnsupportedSpec."""
    if swap < 0:
        return "max"
    if swap and limit <= 0:
        raise UnsupportedSpec("memory.swap is memory and swap together, and needs a memory.limit")
    if swap and swap < limit:
        raise UnsupportedSpec("memory.swap is memory and swap together, so no less than memory.limit")
    return str(max(0, swap - limit))


def cpu_weight(shares: int) -> int:
    """cpu.shares (2 to 262144, usually 1024) as cpu.weight (1 to 10000, usually 100): that becomes this."""
    from math import ceil, log2

    if shares <= _SHARES[0]:
        return 1
    if shares >= _SHARES[1]:
        return 10000
    power = log2(shares)
    return ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def io_weight(weight: int) -> int:
    """blkio.weight (10 to 1000) as io.weight (1 to 10000)."""
    low, high = _BLKIO_WEIGHTS
    return 1 + (min(max(weight, low), high) - low) * 9999 // (high - low)
