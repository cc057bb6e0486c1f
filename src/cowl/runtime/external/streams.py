"""Standard streams that a runtime run by root may chown: crun and runc give them to the container's user.

So neither is handed a file or a device of the host's: crun would give /dev/null itself away.
"""

from __future__ import annotations

import os
import stat

from cowl.linux import mounts
from cowl.linux.descriptors import duplicate
from cowl.linux.rung import ROOT
from cowl.runtime.relay import Relay, interpose
from cowl.runtime.stream_owner import own_pipes


def settle_streams(owner: tuple[int, ...], rung: str, *, terminal: bool) -> list[Relay]:
    """Makes 0, 1 and 2 fit for a payload of another runtime; what is to be copied meanwhile.

    owner  see Plan
    """
    if terminal:
        _forget_streams()
    relays = interpose(os.geteuid(), may_give=bool(owner))
    if rung == ROOT:
        relays += _shelter()
    if owner:
        own_pipes(owner)
    return relays


def _forget_streams() -> None:
    """They are unused with a terminal."""
    nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in range(3):
        os.dup2(nothing, number, inheritable=True)
    os.close(nothing)


def _shelter() -> list[Relay]:
    """Replaces what of 0, 1 and 2 is no pipe of nobody's and no socket; copies what has to be copied."""
    relays = []
    for number in range(3):
        status = os.fstat(number)
        if stat.S_ISCHR(status.st_mode):
            _place(_own_node(status.st_rdev), number)
        elif not stat.S_ISSOCK(status.st_mode) and not os.readlink(f"/proc/self/fd/{number}").startswith(
            "pipe:"
        ):
            relays.append(_relay(number))
    return relays


def _own_node(device: int) -> int:
    """The same device by a node that nobody else has."""
    place = mounts.new_filesystem("tmpfs", (("mode", "0700"),))
    try:
        os.mknod("node", stat.S_IFCHR | 0o666, device, dir_fd=place)
        return os.open("node", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)


def _relay(number: int) -> Relay:
    reader, writer = os.pipe()
    outer = duplicate(number, 10)
    inner, ours = (reader, writer) if number == 0 else (writer, reader)
    relay = Relay(outer, duplicate(ours, 10)) if number == 0 else Relay(duplicate(ours, 10), outer)
    os.close(ours)
    _place(inner, number)
    return relay


def _place(fd: int, number: int) -> None:
    os.dup2(fd, number, inheritable=True)
    os.close(fd)
