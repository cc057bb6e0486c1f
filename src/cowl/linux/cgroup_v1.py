"""Control groups of version 1: a hierarchy for each controller, a group of the same path in each."""

from __future__ import annotations

import errno
import os
import time

from cowl.linux.cgroups import (
    MOUNT,
    USUAL,
    V1,
    ControllerMissing,
    Place,
    make_directories,
    read_file,
    remove_directory,
    write_file,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_INHERITED = ("cpuset.cpus", "cpuset.mems")  # empty in a new group, which nothing can enter then
_KNOWN = (*USUAL, "cpuset")
_ROUND_SECONDS = 0.002
_KILL = 9


def find_place() -> Place:
    """See cgroups.find_place. Only root: nobody delegates hierarchies of version 1 safely."""
    if os.geteuid() != 0:
        return Place(V1, blocker="the cgroups of version 1 belong to root")
    mounted = os.listdir(MOUNT)
    there = tuple(name for name in _KNOWN if name in mounted)
    if not there or not os.access(f"{MOUNT}/{there[0]}", os.W_OK):
        return Place(V1, blocker=f"what is mounted below {MOUNT} can't be written")
    return Place(V1, "/", there)


class CgroupV1:
    """See cgroups.Cgroup."""

    version = V1

    def __init__(self, path: str) -> None:
        self.path = "/" + path.strip("/")

    def make(self, needed: Iterable[str] = ()) -> None:
        for name in dict.fromkeys((*USUAL, *needed)):
            top = f"{MOUNT}/{name}"
            if os.path.isdir(top):
                made = make_directories(top, self.path)
                if name == "cpuset":
                    _inherit(made)
            elif name in needed:
                raise ControllerMissing(name, f"no cgroup hierarchy is mounted at {top}")

    def directory(self, controller: str) -> str:
        path = f"{MOUNT}/{controller}{self.path}"
        return path if os.path.isdir(path) else ""

    def write(self, controller: str, file: str, value: str) -> None:
        write_file(f"{MOUNT}/{controller}{self.path}/{file}", value)

    def read(self, controller: str, file: str) -> str:
        return read_file(f"{MOUNT}/{controller}{self.path}/{file}")

    def open_doors(self) -> tuple[int, ...]:
        # cpu and cpuacct may be one hierarchy under two names: entering it twice does no harm.
        flags = os.O_WRONLY | os.O_CLOEXEC
        return tuple(os.open(f"{directory}/tasks", flags) for directory in self._directories())

    def open_directory(self) -> int:
        return -1

    def add(self, pid: int) -> None:
        for directory in self._directories():
            write_file(f"{directory}/cgroup.procs", str(pid))

    def processes(self) -> list[int]:
        for directory in self._directories():
            return [int(word) for word in read_file(f"{directory}/cgroup.procs").split()]
        return []

    def freeze(self, seconds: float) -> bool:
        if not self.directory("freezer"):
            raise ControllerMissing("freezer", f"the group {self.path} has none")
        deadline = time.monotonic() + seconds
        while True:
            # Asked again and again: what was just forked may be missed the first time.
            self.write("freezer", "freezer.state", "FROZEN")
            if self.read("freezer", "freezer.state").strip() == "FROZEN":
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_ROUND_SECONDS)

    def thaw(self) -> None:
        try:
            self.write("freezer", "freezer.state", "THAWED")
        except FileNotFoundError:
            pass

    def kill(self) -> None:
        """By signals: a killed process that is frozen ends when it is let go."""
        for pid in self.processes():
            try:
                os.kill(pid, _KILL)
            except ProcessLookupError:
                continue
        self.thaw()

    def remove(self) -> bool:
        """In every hierarchy: another runtime makes it also where we don't."""
        paths = [f"{MOUNT}/{name}{self.path}" for name in os.listdir(MOUNT)]
        left = [path for path in paths if not remove_directory(path)]
        return not left

    def _directories(self) -> list[str]:
        return [path for name in _KNOWN if (path := self.directory(name))]


def _inherit(made: list[str]) -> None:
    """New groups get the processors and memory nodes of the one above."""
    for directory in made:
        for file in _INHERITED:
            try:
                write_file(f"{directory}/{file}", read_file(f"{os.path.dirname(directory)}/{file}").strip())
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EACCES):
                    raise
