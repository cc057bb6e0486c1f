"""The ids that processes of a one-id container believe to have, after setuid(2) and kin "succeeded".

As fakeroot does: a process that gave its ids up is told so when it asks (apt, su and sudo check), and so
are its later children, and what it executes. The kernel knows nothing of it: files and rights stay those
of the one id. A process whose parent has ended before it first asks is told the real ids.
"""

from __future__ import annotations

import errno
import os

from cowl.value import Value

KEEP = 0xFFFF_FFFF  # -1: this id stays as it is
_ANCESTOR_LIMIT = 64
_ROOM = 1024  # identities before the dead are looked for
_PARENT, _START = 1, 19  # in proc_pid_stat(5)'s fields after the command name
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Ids(Value):
    """The three user or group ids of a process, credentials(7)."""

    real: int
    effective: int
    saved: int

    def changed(self, wanted: tuple[int, ...], privileged: bool) -> Ids:
        """By setuid(2), setreuid(2) or setresuid(2): one, two or three ids. Raises PermissionError."""
        if len(wanted) == 1:
            return self._set_one(wanted[0], privileged)
        if len(wanted) == 2:
            return self._set_two(*wanted, privileged)
        had = (self.real, self.effective, self.saved)
        if not privileged:
            _check(set(wanted), had)
        return Ids(*(old if new == KEEP else new for old, new in zip(had, wanted, strict=True)))

    def _set_one(self, number: int, privileged: bool) -> Ids:
        if privileged:
            return Ids(number, number, number)
        _check({number}, (self.real, self.saved))
        return self.replace(effective=number)

    def _set_two(self, real: int, effective: int, privileged: bool) -> Ids:
        if not privileged:
            _check({real}, (self.real, self.effective))
            _check({effective}, (self.real, self.effective, self.saved))
        new_real = self.real if real == KEEP else real
        new_effective = self.effective if effective == KEEP else effective
        saves = real != KEEP or (effective != KEEP and effective != self.real)
        return Ids(new_real, new_effective, new_effective if saves else self.saved)


def _check(wanted: set[int], allowed: tuple[int, ...]) -> None:
    if not wanted <= {KEEP, *allowed}:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


class Identity(Value):
    """What a process believes. `since` is in clock ticks since the boot, as a process's start time."""

    uids: Ids
    gids: Ids
    groups: tuple[int, ...]
    since: int = 0


class Identities:
    """By process and its start time. `proc_fd` is a directory descriptor of the host's /proc."""

    def __init__(self, proc_fd: int) -> None:
        self._proc_fd = proc_fd
        self._known: dict[tuple[int, int], Identity] = {}

    def __bool__(self) -> bool:
        """Whether any process ever changed its ids."""
        return bool(self._known)

    def find(self, thread: int) -> Identity | None:
        """What the thread's process, or the ancestor that it has it from, believes; None: the truth."""
        if not self._known:
            return None
        try:
            return self._inherited(self._leader(thread))
        except (OSError, ValueError, IndexError):
            return None  # it has ended

    def _inherited(self, process: int) -> Identity | None:
        born = 1 << 63
        for _ in range(_ANCESTOR_LIMIT):
            parent, start = self._parent_and_start(process)
            found = self._known.get((process, start))
            if found is not None:
                return found if born >= found.since else None
            if parent == 0:
                return None
            process, born = parent, start
        return None

    def change(self, thread: int, identity: Identity) -> None:
        """From now on the thread's process believes this. Raises OSError when it has ended."""
        if len(self._known) >= _ROOM:
            self._forget_dead()
        process = self._leader(thread)
        start = self._parent_and_start(process)[1]
        self._known[process, start] = identity.replace(since=self._now())

    def _forget_dead(self) -> None:
        self._known = {key: value for key, value in self._known.items() if self._lives(*key)}

    def _lives(self, process: int, start: int) -> bool:
        try:
            return self._parent_and_start(process)[1] == start
        except OSError:
            return False

    def _leader(self, thread: int) -> int:
        """The process of a thread."""
        for line in self._read(f"{thread}/status").splitlines():
            if line.startswith(b"Tgid:"):
                return int(line[5:])
        raise ValueError(thread)

    def _parent_and_start(self, process: int) -> tuple[int, int]:
        fields = self._read(f"{process}/stat").rpartition(b")")[2].split()
        return int(fields[_PARENT]), int(fields[_START])

    def _now(self) -> int:
        seconds = self._read("uptime").split()[0]
        return int(float(seconds) * _TICKS_PER_SECOND)

    def _read(self, name: str) -> bytes:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc_fd)
        try:
            return os.read(fd, 4096)
        finally:
            os.close(fd)
