"""Signals as something to read: signalfd(2). No handler runs, and no system call is interrupted."""

from __future__ import annotations

import os
import sys

from cowl.linux.syscalls import call

_BLOCK, _CLOEXEC, _NONBLOCK = 0, 0o2000000, 0o4000  # SIG_BLOCK, SFD_*
_RECORD = 128  # bytes of a struct signalfd_siginfo; its first four are the number


def open_signals(numbers: tuple[int, ...]) -> int:
    """Blocks these signals in this process, which has one thread, and gives what they are read from."""
    mask = sum(1 << (number - 1) for number in numbers).to_bytes(8, sys.byteorder)
    call("rt_sigprocmask", _BLOCK, mask, None, 8)
    return call("signalfd4", -1, mask, 8, _CLOEXEC | _NONBLOCK)


def read_signals(fd: int) -> list[int]:
    """The numbers of those that have come since, in no order; none is fine."""
    try:
        data = os.read(fd, _RECORD * 64)
    except BlockingIOError:
        return []
    return [int.from_bytes(data[at : at + 4], sys.byteorder) for at in range(0, len(data), _RECORD)]
