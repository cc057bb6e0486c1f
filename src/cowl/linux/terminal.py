"""Pseudo-terminals, from a devpts instance of one's own: pty(7), ioctl_tty(2)."""

from __future__ import annotations

import os
import struct

from cowl.linux.files import RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, openat2
from cowl.linux.mounts import DEVPTS_MAGIC, filesystem_magic
from cowl.linux.syscalls import call

_UNLOCK, _PEER, _CONTROL = 0x40045431, 0x5441, 0x540E  # TIOCSPTLCK, TIOCGPTPEER, TIOCSCTTY


class NotATerminalSource(OSError):
    """The /dev/pts of a container is not devpts: somebody put something else there."""


def open_pair(root_fd: int) -> tuple[int, int]:
    """A fresh (master, slave) of the devpts at dev/pts below `root_fd`. Raises OSError."""
    how = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    master = openat2(root_fd, "dev/pts/ptmx", how, 0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS)
    try:
        if filesystem_magic(master) != DEVPTS_MAGIC:
            raise NotATerminalSource("the container's /dev/pts is not a devpts file system")
        call("ioctl", master, _UNLOCK, struct.pack("i", 0))
        return master, call("ioctl", master, _PEER, how)
    except BaseException:
        os.close(master)
        raise


def make_controlling(slave: int) -> None:
    """The slave becomes this session's controlling terminal; the caller leads a session without one."""
    call("ioctl", slave, _CONTROL, 0)
