"""The cgroup of a container: made for it, with its limits, and removed after it."""

from __future__ import annotations

import errno
import os

from cowl.errors import Denied, Unavailable
from cowl.linux.cgroups import ControllerMissing, cgroup, group_of, remove_leftover
from cowl.linux.namespaces import enter_cgroups
from cowl.runtime.resources import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from cowl.linux.cgroups import Cgroup
    from cowl.runtime.resources import Setting

_AGAIN = (errno.EINVAL, errno.EBUSY)  # it contradicts a setting that has still to come


class LimitUnenforceable(Unavailable):
    """A limit of the container can't be enforced here, so the container is not started.

    limit    as the runtime-spec calls it: "memory.limit"
    reason   what is missing
    """

    def __init__(self, limit: str, reason: str, hint: str = "") -> None:
        self.limit = limit
        self.reason = reason
        super().__init__(f"the limit {limit} can't be enforced: {reason}", hint=hint)


def make_cgroup(path: str, resources: dict[str, Any]) -> Cgroup:
    """Makes the group with its limits. Raises LimitUnenforceable, ControllerMissing, Unavailable.

    Then it is not there.
    """
    group = cgroup(path)
    try:
        apply(group, resources)
    except BaseException:
        group.remove()
        raise
    return group


def apply(group: Cgroup, resources: dict[str, Any]) -> None:
    """Writes the limits to a group, which is made if it is not there. Raises as `make_cgroup`."""
    todo = settings(resources, group.version)
    needed = {setting.controller: setting.words for setting in todo}
    try:
        group.make(needed)
    except ControllerMissing as error:
        limit = needed.get(error.controller) or needed.get("blkio", error.controller)
        raise LimitUnenforceable(limit, error.message) from error
    except OSError as error:
        raise Unavailable(
            f"the cgroup {group.path} can't be made: {error.strerror}",
            hint="`cowl info` tells where this user may make cgroups",
        ) from error
    later = [setting for setting in todo if not _write(group, setting, last=False)]
    for setting in later:
        _write(group, setting, last=True)


def _write(group: Cgroup, setting: Setting, *, last: bool) -> bool:
    """False for what may be taken after the others, unless this is the `last` try."""
    for file, value in setting.files:
        try:
            group.write(setting.controller, file, value)
            return True
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in _AGAIN and not last:
                return False
            reason = f"the kernel refuses {value!r} for {file}: {error.strerror}"
            hint = _BUSY if error.errno == errno.EBUSY else ""
            raise LimitUnenforceable(setting.words, reason, hint) from error
    names = " or ".join(file for file, _ in setting.files)
    raise LimitUnenforceable(setting.words, f"this kernel has no {names}", _HINTS.get(setting.words, ""))


_BUSY = "the container uses more than that already"
_HINTS = {
    "memory.swap": "swap is counted when the kernel is booted with swapaccount=1",
    "blockIO.weight": "weights need the scheduler bfq, or the controller iocost",
}


def oom_kills(group: Cgroup) -> int:
    """How many of its processes the kernel has killed for memory; 0 where nobody counts them."""
    file = "memory.events" if group.version == "v2" else "memory.oom_control"
    try:
        words = group.read("memory", file).split()
    except OSError:
        return 0
    return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else 0


def release(path: str) -> bool:
    """Removes a group after its container, by its path: what is left in it is killed first. Idempotent.

    Whether its processes were killed for memory. Gives up on one that does not become empty.
    """
    try:
        return release_group(cgroup(path))
    except ControllerMissing:
        return False


def release_group(group: Cgroup) -> bool:
    """See `release`."""
    killed = oom_kills(group) > 0
    if not group.remove():
        remove_leftover(group.path)
    return killed


class Doors:
    """How a new process gets into a group: by what it writes "0" to, or by being cloned into it."""

    def __init__(self, fds: tuple[int, ...] = (), into: int = -1) -> None:
        self.fds = fds
        self.into = into

    @classmethod
    def of(cls, group: Cgroup) -> Self:
        """To that one. Raises OSError."""
        return cls(group.open_doors(), group.open_directory())

    @classmethod
    def to(cls, pid: int) -> Self:
        """To where that process is, if it is elsewhere than we. Raises OSError."""
        try:
            group = group_of(pid)
            return cls() if group is None else cls.of(group)
        except FileNotFoundError:
            return cls()  # it has ended: who wants to join it finds out

    def enter(self) -> None:
        """In the new process, which has one thread. Raises OSError."""
        enter_cgroups(self.fds)

    def close(self) -> None:
        """Lets go of them. Once."""
        for fd in (*self.fds, self.into):
            if fd >= 0:
                os.close(fd)


def cgroup_refused(path: str, error: OSError) -> Denied:
    """What to raise when a process can't be started in a group."""
    return Denied(
        f"no process can be started in the cgroup {path}: {error.strerror}",
        hint="it and ours must lie below one that this user may write",
    )
