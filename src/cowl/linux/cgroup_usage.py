"""What a group has used: processor time, memory, block devices, processes. For whichever version there is."""

from __future__ import annotations

import os

from cowl.linux.cgroups import V2
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.linux.cgroups import Cgroup
    from cowl.linux.process import ProcessId

_UNLIMITED = 1 << 60  # version 1 writes no limit as almost 2^63


class Usage(Value):
    """None is what nobody knows.

    cpu_ns        processor time since the start, in nanoseconds
    memory_bytes  without the part of the page cache that can go at once
    memory_limit_bytes  0 for none
    read_bytes, written_bytes  of block devices
    """

    cpu_ns: int | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int = 0
    read_bytes: int | None = None
    written_bytes: int | None = None
    pids: int | None = None


def usage(group: Cgroup) -> Usage:
    """Of a group; its files are those that there are. Raises FileNotFoundError when it is gone."""
    if not group.directory("" if group.version == V2 else "pids"):
        raise FileNotFoundError(group.path)
    return _v2(group) if group.version == V2 else _v1(group)


def _v1(group: Cgroup) -> Usage:
    used, stat = _number(group, "memory", "memory.usage_in_bytes"), _pairs(group, "memory", "memory.stat")
    limit = _number(group, "memory", "memory.limit_in_bytes") or 0
    blocks = _blocks(group)
    return Usage(
        cpu_ns=_number(group, "cpuacct", "cpuacct.usage"),
        memory_bytes=_without_cache(used, stat.get("total_inactive_file", 0)),
        memory_limit_bytes=0 if limit >= _UNLIMITED else limit,
        read_bytes=blocks.get("Read"),
        written_bytes=blocks.get("Write"),
        pids=_number(group, "pids", "pids.current"),
    )


def _v2(group: Cgroup) -> Usage:
    used, stat = _number(group, "memory", "memory.current"), _pairs(group, "memory", "memory.stat")
    micro = _pairs(group, "", "cpu.stat").get("usage_usec")
    io = _text(group, "io", "io.stat")
    words = [word.partition("=") for word in (io or "").split()]
    read = sum(int(value) for key, _, value in words if key == "rbytes")
    written = sum(int(value) for key, _, value in words if key == "wbytes")
    return Usage(
        cpu_ns=None if micro is None else micro * 1000,
        memory_bytes=_without_cache(used, stat.get("inactive_file", 0)),
        memory_limit_bytes=_number(group, "memory", "memory.max") or 0,
        read_bytes=None if io is None else read,
        written_bytes=None if io is None else written,
        pids=_number(group, "pids", "pids.current"),
    )


def _without_cache(used: int | None, inactive: int) -> int | None:
    return used if used is None or inactive >= used else used - inactive


def _blocks(group: Cgroup) -> dict[str, int]:
    """Version 1's bytes by "Read" and "Write"; nothing where nobody counts them."""
    for file in ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"):
        text = _text(group, "blkio", file)
        if text is not None:
            sums = {"Read": 0, "Write": 0}
            for words in map(str.split, text.splitlines()):
                if len(words) == 3 and words[1] in sums:
                    sums[words[1]] += int(words[2])
            return sums
    return {}


def _text(group: Cgroup, controller: str, file: str) -> str | None:
    try:
        return group.read(controller, file)
    except OSError:
        return None


def _number(group: Cgroup, controller: str, file: str) -> int | None:
    text = (_text(group, controller, file) or "").strip()
    return int(text) if text.isdigit() else None


def _pairs(group: Cgroup, controller: str, file: str) -> dict[str, int]:
    lines = (_text(group, controller, file) or "").splitlines()
    return {words[0]: int(words[1]) for line in lines if len(words := line.split()) == 2}


def usage_of_processes(init: ProcessId) -> Usage:
    """The same of the pid namespace whose first process is `init`, without a cgroup: by what /proc says.

    Memory is proportional (Pss), so that what processes share is counted once. What is not ours to read
    is None. Raises NoSuchProcess.
    """
    from cowl.linux.process_table import members

    pids = members(init)
    ticks = [_ticks(pid) for pid in pids]
    memory = [_field(pid, "smaps_rollup", "Pss:", 1024) for pid in pids]
    read = [_field(pid, "io", "read_bytes:", 1) for pid in pids]
    written = [_field(pid, "io", "write_bytes:", 1) for pid in pids]
    return Usage(
        cpu_ns=sum(cpu for cpu, _ in ticks) * 10**9 // os.sysconf("SC_CLK_TCK"),
        memory_bytes=_sum(memory),
        read_bytes=_sum(read),
        written_bytes=_sum(written),
        pids=sum(threads for _, threads in ticks),
    )


def _ticks(pid: int) -> tuple[int, int]:
    """Processor time of a process with its buried children, and its threads, proc_pid_stat(5)."""
    from cowl.linux.process import stat_fields

    fields = stat_fields(pid)
    return (0, 0) if fields is None else (sum(map(int, fields[11:15])), int(fields[17]))


def _field(pid: int, file: str, name: str, unit: int) -> int | None:
    """0 of a process that has ended meanwhile."""
    try:
        with open(f"/proc/{pid}/{file}", "rb", buffering=0) as lines:
            words = lines.read(8192).decode().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except OSError:
        return None
    return int(words[words.index(name) + 1]) * unit if name in words else 0


def _sum(numbers: list[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None
