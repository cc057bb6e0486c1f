"""Control groups of version 2: one hierarchy, where a group has the controllers that the one above gives it.

A group that gives controllers on has no processes of its own (but the top): containers are made beside
what already runs, never around it.
"""

from __future__ import annotations

import os
import time

from cowl.linux.cgroups import (
    MOUNT,
    USUAL,
    V2,
    ControllerMissing,
    Place,
    make_directories,
    paths_of,
    read_file,
    remove_directory,
    write_file,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ALWAYS = ("freezer", "cpuacct")  # no controllers here: every group can be held, and counts its time
_NEEDED_FILES = ("", "/cgroup.procs", "/cgroup.subtree_control")  # cgroup-v2.rst, "Model of Delegation"
_ROUND_SECONDS = 0.002


def find_place() -> Place:
    """See cgroups.find_place: the top for root, else the nearest group above us that was delegated to us."""
    if os.geteuid() == 0:
        if not os.access(MOUNT, os.W_OK):
            return Place(V2, blocker=f"{MOUNT} can't be written")
        return Place(V2, "/", _given("/") if _is_crowded("/") else _controllers("/"))
    path = paths_of("self").get("", "/")
    own = path
    while path != "/":
        path = os.path.dirname(path)
        if _is_ours(path):
            return Place(V2, path, _controllers(path))
    reason = f"no cgroup above {own} is delegated to this user"
    if _is_writable(own):
        reason = f"the cgroup {own} is delegated to this user, but has processes of its own"
    return Place(V2, blocker=reason)


def _controllers(path: str) -> tuple[str, ...]:
    return tuple(read_file(f"{MOUNT}{path}/cgroup.controllers").split())


def _given(path: str) -> tuple[str, ...]:
    return tuple(read_file(f"{MOUNT}{path}/cgroup.subtree_control").split())


def _is_crowded(path: str) -> bool:
    """Whether it has processes, so that it can't give controllers on. The top may, unless it is only a
    namespace's: then it has files that the real one lacks."""
    if path == "/" and not os.path.exists(f"{MOUNT}/cgroup.events"):
        return False
    return bool(read_file(f"{MOUNT}{path}/cgroup.procs"))


def _is_writable(path: str) -> bool:
    return all(os.access(f"{MOUNT}{path}{file}", os.W_OK) for file in _NEEDED_FILES)


def _is_ours(path: str) -> bool:
    return _is_writable(path) and not _is_crowded(path)


class CgroupV2:
    """See cgroups.Cgroup. What version 1 calls blkio and cpuacct is found under these names too."""

    version = V2

    def __init__(self, path: str) -> None:
        self.path = "/" + path.strip("/")
        self._directory = MOUNT + self.path

    def make(self, needed: Iterable[str] = ()) -> None:
        wanted = [_name(name) for name in needed if name not in _ALWAYS]
        make_directories(MOUNT, self.path)
        above = os.path.dirname(self.path)
        for path in _line(above):
            _give_on(path, dict.fromkeys((*USUAL, *wanted)))
        had = _controllers(self.path)
        for name in wanted:
            if name not in had:
                raise ControllerMissing(name, _why_missing(above, name))

    def directory(self, controller: str) -> str:
        if controller in ("", *_ALWAYS):
            return self._directory if os.path.isdir(self._directory) else ""
        try:
            return self._directory if _name(controller) in _controllers(self.path) else ""
        except OSError:
            return ""

    def write(self, _controller: str, file: str, value: str) -> None:
        write_file(f"{self._directory}/{file}", value)

    def read(self, _controller: str, file: str) -> str:
        return read_file(f"{self._directory}/{file}")

    def open_doors(self) -> tuple[int, ...]:
        return ()

    def open_directory(self) -> int:
        return os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def add(self, pid: int) -> None:
        self.write("", "cgroup.procs", str(pid))

    def processes(self) -> list[int]:
        try:
            return [int(word) for word in self.read("", "cgroup.procs").split()]
        except FileNotFoundError:
            return []

    def freeze(self, seconds: float) -> bool:
        self.write("", "cgroup.freeze", "1")
        deadline = time.monotonic() + seconds
        while "frozen 1" not in self.read("", "cgroup.events"):
            if time.monotonic() > deadline:
                return False
            time.sleep(_ROUND_SECONDS)
        return True

    def thaw(self) -> None:
        try:
            self.write("", "cgroup.freeze", "0")
        except FileNotFoundError:
            pass

    def kill(self) -> None:
        """cgroup.kill; before Linux 5.14 by signals, which a frozen process heeds here."""
        try:
            self.write("", "cgroup.kill", "1")
        except FileNotFoundError:
            for pid in self.processes():
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue

    def remove(self) -> bool:
        return remove_directory(self._directory)


def _name(controller: str) -> str:
    return "io" if controller == "blkio" else controller


def _line(path: str) -> list[str]:
    """The groups from the top down to `path`."""
    parts = path.strip("/").split("/") if path != "/" else []
    return ["/", *("/" + "/".join(parts[: count + 1]) for count in range(len(parts)))]


def _give_on(path: str, names: Iterable[str]) -> None:
    """Gives those controllers to the groups below `path` that it has; what is refused stays as it is."""
    given = _given(path)
    missing = [name for name in names if name not in given]
    had = _controllers(path) if missing else ()
    for name in missing:
        if name in had:
            try:
                write_file(f"{MOUNT}{path}/cgroup.subtree_control", f"+{name}")
            except OSError:
                continue  # who needs it finds out


def _why_missing(above: str, name: str) -> str:
    """What is in the way, from the top down."""
    for path in _line(above):
        if name not in _controllers(path):
            reason = "this kernel has none, or a hierarchy of version 1 holds it"
            return reason if path == "/" else f"{os.path.dirname(path)} does not give it to {path}"
        if name not in _given(path) and _is_crowded(path):
            return f"the cgroup {path} has processes of its own, so it can't give controllers on"
    return f"the cgroup {above} is not for this user to change"
