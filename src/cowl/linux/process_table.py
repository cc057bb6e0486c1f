"""The processes of a pid namespace, seen from outside: proc_pid_stat(5), proc_pid_status(5)."""

from __future__ import annotations

import os

from cowl.linux.process import NoSuchProcess, ProcessId, stat_fields
from cowl.value import Value

_STATE, _PARENT, _TERMINAL, _USER_TICKS, _KERNEL_TICKS, _START_TIME = 0, 1, 4, 11, 12, 19
_LONGEST_COMMAND = 1 << 16  # bytes of a command line that are read
_PSEUDO_TERMINALS = range(136, 144)  # major numbers


class Seen(Value):
    """One process at one moment.

    uid          the effective one, of the namespace of who asks
    terminal     "pts/0", or "" for none
    cpu_seconds  in user mode and in the kernel together
    started_at   seconds since the epoch
    args         as it shows them; () for a thread of the kernel, and for one that has ended
    """

    pid: int
    parent: int
    uid: int
    state: str
    name: str
    terminal: str
    cpu_seconds: float
    started_at: float
    args: tuple[bytes, ...]


def members(init: ProcessId) -> list[int]:
    """The pids of the namespace whose first process is `init`, and of those inside of it, in their order.

    Where that is our own namespace too, those of its cgroup. Raises NoSuchProcess.
    """
    pidfd = init.open()  # while it is held nobody else gets the pid
    try:
        namespace = _namespace(init.pid)
        if namespace is not None and namespace == _namespace(os.getpid()):
            return _in_group(init.pid)
        parents: dict[int, int] = {}
        found = {init.pid}
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            if namespace is not None and _namespace(pid) == namespace:
                found.add(pid)
            elif (fields := stat_fields(pid)) is not None:
                parents[pid] = int(fields[_PARENT])
        _add_children(found, parents)
    finally:
        os.close(pidfd)
    return sorted(found)


def _in_group(pid: int) -> list[int]:
    from cowl.linux.cgroups import group_of

    try:
        group = group_of(pid)
    except OSError:  # it has ended
        return []
    return sorted({pid, *(group.processes() if group is not None else ())})


def _add_children(found: set[int], parents: dict[int, int]) -> None:
    """What is in a namespace inside of that one has an ancestor in it."""
    while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= more


def look(pid: int) -> Seen | None:
    """What is to be seen of a process; None when it has ended."""
    fields = stat_fields(pid)
    if fields is None:
        return None
    try:
        status = _status(pid)
        with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
            words = file.read(_LONGEST_COMMAND)
    except (FileNotFoundError, ProcessLookupError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    return Seen(
        pid=pid,
        parent=int(fields[_PARENT]),
        uid=int(status["Uid"].split()[1]),
        state=fields[_STATE].decode(),
        name=status["Name"],
        terminal=_terminal(int(fields[_TERMINAL])),
        cpu_seconds=(int(fields[_USER_TICKS]) + int(fields[_KERNEL_TICKS])) / ticks,
        started_at=_boot_time() + int(fields[_START_TIME]) / ticks,
        args=tuple(words.removesuffix(b"\0").split(b"\0")) if words else (),
    )


def inner_id(mapping: str, outer: int) -> int:
    """An id of the host as the text of a uid_map or gid_map says it; -1 for one that is not mapped."""
    for line in mapping.splitlines():
        inside, outside, count = map(int, line.split())
        if outside <= outer < outside + count:
            return inside + outer - outside
    return -1


def id_map(init: ProcessId) -> str:
    """The uid_map of a process. Raises NoSuchProcess."""
    try:
        with open(f"/proc/{init.pid}/uid_map") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        raise NoSuchProcess(init.pid) from None


def _status(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
        lines = file.read(8192).decode("utf-8", "replace").splitlines()
    return {key: value for key, colon, value in (line.partition(":\t") for line in lines) if colon}


def _namespace(pid: int) -> tuple[int, int] | None:
    try:
        found = os.stat(f"/proc/{pid}/ns/pid")
    except OSError:  # it has ended, or is not ours to look at
        return None
    return found.st_dev, found.st_ino


def _terminal(number: int) -> str:
    if not number:
        return ""
    if os.major(number) in _PSEUDO_TERMINALS:
        return f"pts/{os.minor(number) + 256 * (os.major(number) - _PSEUDO_TERMINALS[0])}"
    return f"tty{os.minor(number)}"


def _boot_time() -> float:
    with open("/proc/stat") as file:
        return next(float(line.split()[1]) for line in file if line.startswith("btime"))
