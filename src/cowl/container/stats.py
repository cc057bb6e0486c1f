"""What a container uses of the machine, at one moment: what `docker stats` prints a line of."""

from __future__ import annotations

import os
import time

from cowl.linux.process import NoSuchProcess
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.lifecycle import Containers
    from cowl.linux.cgroup_usage import Usage
    from cowl.store.container_record import ContainerRecord

_NOT_OURS = ("lo",)  # interfaces that carry nothing in or out
_FIELDS_OF_DEVICE = 16  # in a line of /proc/net/dev


class ContainerStats(Value):
    """None is what nobody can know here; of a container at rest that is everything.

    read_at             seconds since the epoch
    cpu_ns              processor time since its start, in nanoseconds
    cpu_percent         100 is one whole processor, between the earlier reading (else its start) and this
    memory_bytes        without the page cache that can go at once
    memory_limit_bytes  its limit, else the machine's memory
    memory_percent      of that limit
    network_received_bytes, network_sent_bytes   through its own interfaces; None where it has the host's
    block_read_bytes, block_written_bytes        of block devices
    pids                processes and threads
    """

    id: str
    name: str
    read_at: float
    cpu_ns: int | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    memory_percent: float | None = None
    network_received_bytes: int | None = None
    network_sent_bytes: int | None = None
    block_read_bytes: int | None = None
    block_written_bytes: int | None = None
    pids: int | None = None


def read_stats(service: Containers, record: ContainerRecord, since: ContainerStats | None) -> ContainerStats:
    """See `Container.stats`."""
    record = service.find(record.id).record
    now = time.time()
    empty = ContainerStats(record.id, record.name, now)
    if record.state not in ("running", "paused") or record.process is None:
        return empty
    try:
        used = _usage(record)
        received, sent = _network(record)
    except (NoSuchProcess, FileNotFoundError):
        return empty  # it has ended meanwhile
    limit = used.memory_limit_bytes or _machine_memory()
    memory = used.memory_bytes
    return empty.replace(
        cpu_ns=used.cpu_ns,
        cpu_percent=_cpu_percent(used.cpu_ns, now, since, record.started_at),
        memory_bytes=memory,
        memory_limit_bytes=limit,
        memory_percent=None if memory is None else 100 * memory / limit,
        network_received_bytes=received,
        network_sent_bytes=sent,
        block_read_bytes=used.read_bytes,
        block_written_bytes=used.written_bytes,
        pids=used.pids,
    )


def _usage(record: ContainerRecord) -> Usage:
    from cowl.linux import cgroup_usage

    assert record.process is not None
    if record.cgroup:
        from cowl.linux.cgroups import cgroup

        return cgroup_usage.usage(cgroup(record.cgroup))
    return cgroup_usage.usage_of_processes(record.process)


def _cpu_percent(
    cpu_ns: int | None, now: float, since: ContainerStats | None, started_at: float
) -> float | None:
    """Of one processor. An earlier reading of another run is none."""
    if cpu_ns is None:
        return None
    before, then = 0, started_at
    if since is not None and since.cpu_ns is not None and since.cpu_ns <= cpu_ns:
        before, then = since.cpu_ns, since.read_at
    return 100 * (cpu_ns - before) / 1e9 / max(now - then, 1e-3)


def _network(record: ContainerRecord) -> tuple[int | None, int | None]:
    """Bytes (received, sent), proc_pid_net(5); None twice where its namespace is ours, or not ours to see."""
    assert record.process is not None
    pid = record.process.pid
    try:
        if os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino:
            return None, None
        with open(f"/proc/{pid}/net/dev") as file:
            lines = file.read().splitlines()[2:]
    except PermissionError:
        return None, None
    received = sent = 0
    for line in lines:
        name, _, rest = line.partition(":")
        words = rest.split()
        if name.strip() not in _NOT_OURS and len(words) >= _FIELDS_OF_DEVICE:
            received, sent = received + int(words[0]), sent + int(words[8])
    return received, sent


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
