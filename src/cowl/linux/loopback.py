"""The loopback interface of a fresh network namespace: netdevice(7)."""

from __future__ import annotations

import os
import struct

from cowl.linux.syscalls import call

_INET, _DATAGRAM, _CLOEXEC = 2, 2, 0o2000000
_SET_FLAGS, _UP, _RUNNING = 0x8914, 0x1, 0x40  # SIOCSIFFLAGS, IFF_*


def raise_loopback() -> None:
    """Brings `lo` up, so that 127.0.0.1 and ::1 answer."""
    fd = call("socket", _INET, _DATAGRAM | _CLOEXEC, 0)
    try:
        call("ioctl", fd, _SET_FLAGS, struct.pack("16sh22x", b"lo", _UP | _RUNNING))
    finally:
        os.close(fd)
