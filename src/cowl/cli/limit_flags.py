"""The flags of run, create and update about a container's share of the machine."""

from __future__ import annotations

from cowl.cli.grammar import BOOL, INT, LIST, TEXT, Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.cli.call import Call

# Those that a container can be given while it runs.
CHANGEABLE = (
    Flag("blkio-weight", "", INT, "Block IO (relative weight), between 10 and 1000", "uint16"),
    Flag("cpu-period", "", INT, "Limit CPU CFS (Completely Fair Scheduler) period, in microseconds"),
    Flag("cpu-quota", "", INT, "Limit CPU CFS (Completely Fair Scheduler) quota, in microseconds"),
    Flag("cpu-shares", "c", INT, "CPU shares (relative weight)"),
    Flag("cpus", "", TEXT, "Number of CPUs", "decimal"),
    Flag("cpuset-cpus", "", TEXT, "CPUs in which to allow execution (0-3, 0,1)"),
    Flag("cpuset-mems", "", TEXT, "MEMs in which to allow execution (0-3, 0,1)"),
    Flag("memory", "m", TEXT, "Memory limit", "bytes"),
    Flag("memory-reservation", "", TEXT, "Memory soft limit", "bytes"),
    Flag(
        "memory-swap",
        "",
        TEXT,
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
        "bytes",
    ),
    Flag("pids-limit", "", INT, "Tune container pids limit (set -1 for unlimited; 2048 unless given)"),
)
LIMITS = (
    *CHANGEABLE,
    Flag("cgroup-parent", "", TEXT, "Optional parent cgroup for the container"),
    Flag("memory-swappiness", "", INT, "Tune container memory swappiness (0 to 100)", "int", -1),
    Flag("oom-kill-disable", "", BOOL, "Disable OOM Killer (cgroup v1 only)"),
    Flag("oom-score-adj", "", INT, "Tune host's OOM preferences (-1000 to 1000)"),
    Flag("shm-size", "", TEXT, "Size of /dev/shm", "bytes"),
    Flag("ulimit", "", LIST, "Ulimit options (NAME=SOFT[:HARD])", "ulimit"),
)
_NAMES = {flag.name: flag.name.replace("-", "_") for flag in LIMITS}
_READERS = {BOOL: "on", INT: "number", LIST: "many", TEXT: "text"}


def limits(call: Call) -> dict[str, Any]:
    """The flags that were given, as keywords of the API; none is what most containers have."""
    given = {
        _NAMES[flag.name]: getattr(call, _READERS[flag.kind])(flag.name)
        for flag in LIMITS
        if call.has(flag.name) and call.given(flag.name)
    }
    if "ulimit" in given:
        given["ulimits"] = given.pop("ulimit")
    return given
