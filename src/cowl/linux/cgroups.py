"""Control groups: which version there is, where a process may make some, and one of them in hand.

cgroups(7), and Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst of the kernel. A path is that of the
group below the mount of its hierarchy ("/cowl/ID"), the same for all of version 1's. No policy.
"""

from __future__ import annotations

import errno
import os
import time

from cowl.errors import Unavailable
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

MOUNT = "/sys/fs/cgroup"
V1, V2, NONE = "v1", "v2", ""
USUAL = ("cpu", "cpuacct", "memory", "pids", "freezer", "blkio", "io")  # what every group is made with
_REMOVAL_TRIES = 100  # what was killed a moment ago may still be on its way out
_ROUND_SECONDS = 0.005
_BATCH = 1 << 16  # bytes of a file of a group


class ControllerMissing(Unavailable):
    """A group can't have a controller. Fields: controller, reason."""

    def __init__(self, controller: str, reason: str) -> None:
        self.controller = controller
        self.reason = reason
        super().__init__(f"the cgroup controller {controller} can't be used: {reason}")


class Place(Value):
    """Where this process may make groups.

    version      V1, V2 or NONE
    path         the group below which it may, "/" for the top
    controllers  what groups made there can have; on version 1 every hierarchy that is mounted
    blocker      why there is no place, or no controller
    """

    version: str
    path: str = "/"
    controllers: tuple[str, ...] = ()
    blocker: str = ""


def version() -> str:
    """The version of the hierarchies that hold the controllers: V1 also on a hybrid host."""
    if os.path.exists(f"{MOUNT}/cgroup.controllers"):
        return V2
    return V1 if any(os.path.isdir(f"{MOUNT}/{name}") for name in ("pids", "memory", "freezer")) else NONE


def find_place() -> Place:
    """Where this process may make groups; by looking only."""
    found = version()
    if found == NONE:
        return Place(NONE, blocker=f"no cgroup file system is mounted at {MOUNT}")
    from cowl.linux import cgroup_v1, cgroup_v2

    return cgroup_v1.find_place() if found == V1 else cgroup_v2.find_place()


def default_path(place: str, name: str) -> str:
    """Where the group of a container goes."""
    return f"{place.rstrip('/')}/cowl/{name}"


if TYPE_CHECKING:

    class Cgroup(Protocol):
        """One group, made or not."""

        version: str
        path: str

        def make(self, needed: Iterable[str] = ()) -> None:
            """Makes it, with those above it, with the usual controllers that there are and the needed ones.

            Raises ControllerMissing, OSError. Idempotent.
            """

        def directory(self, controller: str) -> str:
            """Where the files of a controller are; "" if it has none of that name."""

        def write(self, controller: str, file: str, value: str) -> None:
            """Raises OSError."""

        def read(self, controller: str, file: str) -> str:
            """Raises OSError."""

        def open_doors(self) -> tuple[int, ...]:
            """Descriptors by which a process of one thread gets in: it writes b"0" to each.

            Moving it from outside (`add`) may take the kernel ten milliseconds. None on version 2.
            """

        def open_directory(self) -> int:
            """A descriptor to clone a process into it; -1 on version 1."""

        def add(self, pid: int) -> None:
            """Moves a process in, with all its threads. Raises OSError."""

        def processes(self) -> list[int]:
            """Those in it; without any, and where it is gone, an empty list."""

        def freeze(self, seconds: float) -> bool:
            """Holds all that is in it; whether all are at rest after so long.

            Raises ControllerMissing, OSError.
            """

        def thaw(self) -> None:
            """Lets them go on. Nothing happens where it is gone, or can't be frozen."""

        def kill(self) -> None:
            """Kills all that is in it, frozen or not."""

        def remove(self) -> bool:
            """Removes it; whether it is gone. Only an empty one can be."""


def cgroup(path: str) -> Cgroup:
    """The group of that path, on whatever version there is. Raises ControllerMissing where there is none."""
    found = version()
    if found == V2:
        from cowl.linux.cgroup_v2 import CgroupV2

        return CgroupV2(path)
    if found == NONE:
        raise ControllerMissing("cgroup", f"no cgroup file system is mounted at {MOUNT}")
    from cowl.linux.cgroup_v1 import CgroupV1

    return CgroupV1(path)


def paths_of(pid: int | str) -> dict[str, str]:
    """The groups of a process by controller ("" for version 2's), proc_pid_cgroup(5). Raises OSError."""
    found = {}
    for line in read_file(f"/proc/{pid}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def group_of(pid: int) -> Cgroup | None:
    """The group that a process has to itself, or with others, as far from ours; None if it is our own too.

    Raises OSError where the process is gone.
    """
    theirs, ours = paths_of(pid), paths_of("self")
    names = ("",) if version() == V2 else ("pids", "freezer", "memory", "cpu")
    for name in names:
        path = theirs.get(name, "/")
        if path not in ("/", ours.get(name)) and not path.startswith("/.."):
            return cgroup(path)
    return None


def thaw_process(pid: int) -> None:
    """Lets a process go on that its group may hold: what is killed there ends only then (version 1)."""
    try:
        group = group_of(pid)
    except OSError:
        return  # it has ended
    if group is not None:
        group.thaw()


def remove_leftover(path: str) -> None:
    """Removes the group of that path, if there is one, with whatever is in it; not for long, and no error."""
    try:
        group = cgroup(path)
        for attempt in range(_REMOVAL_TRIES):
            if group.remove():
                return
            if attempt == 0:
                group.kill()
            time.sleep(_ROUND_SECONDS)
    except (OSError, ControllerMissing):
        pass  # somebody else's, or no cgroups at all


def read_file(path: str) -> str:
    """A file of the kernel's, whole. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while data := os.read(fd, _BATCH):
            parts.append(data)
        return b"".join(parts).decode("ascii", "replace")
    finally:
        os.close(fd)


def write_file(path: str, value: str) -> None:
    """One write to a file of the kernel's. Raises OSError with the path."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), path) from None
    finally:
        os.close(fd)


def make_directories(top: str, path: str) -> list[str]:
    """`path` below `top` with all above it; those that were not there before, the highest first."""
    whole = f"{top}/{path.strip('/')}"
    try:
        os.mkdir(whole, 0o755)
        return [whole]
    except FileExistsError:
        return []
    except FileNotFoundError:
        above = os.path.dirname(path.rstrip("/"))
        if above in ("", "/"):
            raise
    return [*make_directories(top, above), *make_directories(top, path)]


def remove_directory(path: str) -> bool:
    """A group without processes, with the groups below it that the container may have made."""
    try:
        os.rmdir(path)
        return True
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise
    inner = [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    left = [each for each in inner if not remove_directory(each)]
    if left or not inner:
        return False
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True
