"""A process with all that descends from it, ended as one: without a cgroup, and whatever session it is in."""

from __future__ import annotations

import os
import time

from cowl.linux.process import ProcessId, send_signal, stat_fields

_STATE, _PARENT = 0, 1  # in proc_pid_stat(5)'s fields after the command name
_KILL, _STOP = 9, 19
_RESTING = (b"T", b"t", b"Z", b"X")
_PATIENCE = 50  # rounds: the parent of a stopped vfork never stops itself
_ROUND_SECONDS = 0.002


def kill_tree(root: ProcessId) -> None:
    """Kills a process and its descendants, itself last: when it has ended, they have been killed.

    All are stopped first, so that none can fork away. What another process has adopted already, since
    its parent had ended, is out of reach. Never a stranger's pid: each is opened before it is checked.
    """
    opened: dict[int, int] = {}
    try:
        _stop(root.pid, root.open(), opened)
        for _ in range(_PATIENCE):
            if not _stop_children(opened) and _at_rest(opened):
                break
            time.sleep(_ROUND_SECONDS)
        for pidfd in reversed(opened.values()):
            _signal(pidfd, _KILL)
    finally:
        for pidfd in opened.values():
            os.close(pidfd)


def _stop(pid: int, pidfd: int, opened: dict[int, int]) -> None:
    opened[pid] = pidfd
    _signal(pidfd, _STOP)


def _stop_children(opened: dict[int, int]) -> bool:
    """Stops the children of those that are stopped; whether there were any."""
    found = False
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in opened and _is_child(int(name), opened):
            try:
                pidfd = os.pidfd_open(int(name))
            except OSError:  # it ended meanwhile
                continue
            if _is_child(int(name), opened):
                _stop(int(name), pidfd, opened)
                found = True
            else:
                os.close(pidfd)
    return found


def _is_child(pid: int, parents: dict[int, int]) -> bool:
    fields = stat_fields(pid)
    return fields is not None and int(fields[_PARENT]) in parents


def _at_rest(opened: dict[int, int]) -> bool:
    states = [fields[_STATE] for pid in opened if (fields := stat_fields(pid)) is not None]
    return all(state in _RESTING for state in states)


def _signal(pidfd: int, number: int) -> None:
    try:
        send_signal(pidfd, number)
    except ProcessLookupError:
        pass
