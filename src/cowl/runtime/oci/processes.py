"""Processes of a container, from outside: waited for, signalled, found by their pid namespace."""

from __future__ import annotations

import os
import select

from cowl.linux.process import NoSuchProcess, ProcessId, send_signal

_WAIT_SECONDS = 10


def await_execution(end: int) -> None:
    """The process holds the other end until it executes its command, or ends."""
    poller = select.poll()
    poller.register(end, 0)
    poller.poll()


def await_end(process: ProcessId) -> None:
    try:
        pidfd = process.open()
    except NoSuchProcess:
        return
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.poll(_WAIT_SECONDS * 1000)
    os.close(pidfd)


def signal_process(process: ProcessId, signal: int) -> None:
    try:
        pidfd = process.open()
    except NoSuchProcess:
        return
    try:
        send_signal(pidfd, signal)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)


def namespace_members(init: int) -> set[int]:
    """All processes in the pid namespace of a process, unless that is ours too."""
    try:
        wanted = os.readlink(f"/proc/{init}/ns/pid")
    except OSError:
        return set()
    if wanted == os.readlink("/proc/self/ns/pid"):
        return set()
    found = set()
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.readlink(f"/proc/{name}/ns/pid") == wanted:
                found.add(int(name))
        except OSError:
            continue
    return found
