"""What a caller asks of a container's share of the machine, checked as Docker does it."""

from __future__ import annotations

from cowl.container.quantities import byte_count, nano_cpus, number_list, ulimits
from cowl.container.words import InvalidOptions, check_text
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cowl.container.quantities import Amount, Ulimit

LEAST_MEMORY = 6 << 20
BYTES = ("memory", "memory_reservation", "memory_swap", "shm_size")
# Those that `update` can change; the others are for the making of a container.
CHANGEABLE = (
    *("memory", "memory_reservation", "memory_swap", "cpus", "cpu_period", "cpu_quota", "cpu_shares"),
    *("cpuset_cpus", "cpuset_mems", "pids_limit", "blkio_weight"),
)


class Limits(Value):
    """In numbers; 0, "" and None are what was not asked for.

    memory, memory_reservation, shm_size  bytes
    memory_swap    memory and swap together, in bytes; -1: as much swap as there is; 0: twice `memory`
    nano_cpus      billionths of a processor: --cpus
    cpu_period, cpu_quota  microseconds
    pids_limit     0 and less are no limit, None is 2048
    ulimits        (name, soft, hard); -1 is no limit
    cgroup_parent  a cgroup's path: absolute from the top, else below where this user's are made
    """

    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    oom_kill_disable: bool = False
    oom_score_adj: int | None = None
    nano_cpus: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int | None = None
    blkio_weight: int = 0
    ulimits: tuple[tuple[str, int, int], ...] = ()
    shm_size: int = 0
    cgroup_parent: str = ""

    def asked(self) -> list[str]:
        """The options that need a cgroup, as flags: those that were given."""
        flags = {
            **{name: f"--{name.replace('_', '-')}" for name in self._fields},
            "nano_cpus": "--cpus",
        }
        free = ("oom_score_adj", "ulimits", "shm_size")
        empty = Limits()
        given = [name for name in self._fields if getattr(self, name) != getattr(empty, name)]
        if self.pids_limit is not None and self.pids_limit <= 0:
            given.remove("pids_limit")
        return [flags[name] for name in given if name not in free]


def make_limits(
    *,
    cpus: float | str = 0,
    ulimits: Mapping[str, Ulimit] | Sequence[str] = (),
    **rest: Any,
) -> Limits:
    """The keywords of `Engine.start` as a value. Raises InvalidOptions."""
    sizes: dict[str, Any] = {name: _size(name, rest[name]) for name in BYTES if rest.get(name)}
    plain = {name: value for name, value in rest.items() if name not in BYTES}
    return Limits(
        **plain,
        **sizes,
        nano_cpus=nano_cpus(cpus) if cpus else 0,
        ulimits=_ulimits(ulimits),
    )


_ulimits = ulimits


def _size(name: str, value: Amount) -> int:
    count = byte_count(name.replace("_", "-"), value)
    if count < 0 and name != "memory_swap":
        if name == "shm_size":
            raise InvalidOptions("SHM size can not be less than 0")
        raise InvalidOptions(
            f"--{name.replace('_', '-')} can't be negative", hint="leave it out for no limit"
        )
    return count


def swap_bytes(asked: Limits) -> int:
    """Memory and swap together: as much swap as memory unless said otherwise, as Docker's."""
    return asked.memory_swap or 2 * asked.memory


def check_limits(asked: Limits, processors: int, *, update: bool = False) -> None:
    """Raises InvalidOptions for what no container can have on a machine of so many processors."""
    _check_memory(asked, update=update)
    _check_cpu(asked, processors)
    if asked.cpuset_cpus:
        number_list("cpuset cpus", asked.cpuset_cpus)
    if asked.cpuset_mems:
        number_list("cpuset mems", asked.cpuset_mems)
    if asked.blkio_weight and not 10 <= asked.blkio_weight <= 1000:
        raise InvalidOptions("Range of blkio weight is from 10 to 1000")
    if asked.oom_score_adj is not None and not -1000 <= asked.oom_score_adj <= 1000:
        raise InvalidOptions(f"Invalid value {asked.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    check_text(asked.cgroup_parent)
    if ".." in asked.cgroup_parent.split("/"):
        raise InvalidOptions(f"the cgroup parent {asked.cgroup_parent!r} leads out by '..'")


def _check_memory(asked: Limits, *, update: bool) -> None:
    if asked.memory and asked.memory < LEAST_MEMORY:
        raise InvalidOptions("Minimum memory limit allowed is 6MB")
    if asked.memory and 0 < asked.memory_swap < asked.memory:
        if update:
            raise InvalidOptions(
                "Memory limit should be smaller than already set memoryswap limit,"
                " update the memoryswap at the same time"
            )
        raise InvalidOptions("Minimum memoryswap limit should be larger than memory limit, see usage")
    if not asked.memory and asked.memory_swap > 0:
        raise InvalidOptions(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
            hint="--memory-swap counts memory and swap together",
        )
    if asked.memory_swappiness is not None and not -1 <= asked.memory_swappiness <= 100:
        raise InvalidOptions(
            f"Invalid value: {asked.memory_swappiness}, valid memory swappiness range is 0-100"
        )
    if asked.memory_reservation and asked.memory_reservation < LEAST_MEMORY:
        raise InvalidOptions("Minimum memory reservation allowed is 6MB")
    if 0 < asked.memory < asked.memory_reservation:
        raise InvalidOptions("Minimum memory limit can not be less than memory reservation limit, see usage")


def _check_cpu(asked: Limits, processors: int) -> None:
    for name, value in (("Period", asked.cpu_period), ("Quota", asked.cpu_quota)):
        if asked.nano_cpus and value > 0:
            raise InvalidOptions(
                f"Conflicting options: Nano CPUs and CPU {name} cannot both be set",
                hint=f"--cpus is a period and a quota: leave out --cpu-{name.lower()}",
            )
    if asked.nano_cpus and not 0 < asked.nano_cpus <= processors * 10**9:
        raise InvalidOptions(
            f"range of CPUs is from 0.01 to {processors}.00, as there are only {processors} CPUs available"
        )
    if asked.cpu_shares < 0:
        raise InvalidOptions(f"invalid CPU shares ({asked.cpu_shares}): value must be a positive integer")
    if asked.cpu_period and not 1000 <= asked.cpu_period <= 1_000_000:
        raise InvalidOptions(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < asked.cpu_quota < 1000:
        raise InvalidOptions("CPU cfs quota can not be less than 1ms (i.e. 1000)")
