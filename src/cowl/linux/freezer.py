"""A container's processes held still for a moment, by signals: without a cgroup nothing else does it.

All processes of a pid namespace get SIGSTOP, until a look around finds none that was missed and every
thread has come to rest; then SIGCONT, whatever happens. Should this process be killed meanwhile, a guard
beside it sends that. What was stopped before stays stopped.
"""

from __future__ import annotations

import os
import sys
import time

from cowl.linux.process import NoSuchProcess, ProcessId, send_signal, stat_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from cowl.linux.cgroups import Cgroup

_STATE, _PARENT, _START_TIME = 0, 1, 19  # in proc_pid_stat(5)'s fields after the command name
_CONT, _STOP = 18, 19
_STOPPED = (b"T", b"t")
_GONE = (b"Z", b"X")
_PATIENCE = 250  # rounds: what waits for a disk, or for the child of its vfork, does not stop at once
_ROUND_SECONDS = 0.002

# The guard: what it read when the pipe ends without "done" is continued, the last first, no stranger ever.
_GUARD = """
import _signal, os
for number in (1, 2, 3, 15):
    _signal.signal(number, _signal.SIG_IGN)
data = b""
while chunk := os.read(0, 65536):
    data += chunk
lines = data.split(b"\\n")
for line in () if b"done" in lines else reversed(lines[:-1]):
    pid, start = line.split()
    try:
        fd = os.pidfd_open(int(pid))
        with open("/proc/%d/stat" % int(pid), "rb") as file:
            if file.read().rpartition(b")")[2].split()[19] == start:
                _signal.pidfd_send_signal(fd, 18)
    except OSError:
        pass
"""


class Frozen:
    """Holds all processes of the pid namespace whose first one is `init` while the `with` block lasts.

    Of one that has ended there is nothing to hold. Where that namespace is our own too, it is the processes
    of its cgroup, and those that descend from it.
    """

    def __init__(self, init: ProcessId, *, guarded: bool = True) -> None:
        self._init = init
        self._pidfds: dict[int, int] = {}  # of what we stopped, in the order of that
        self._known: set[int] = {os.getpid()}
        self._guard = _Guard(guarded=guarded)
        self._group: Cgroup | None = None  # in the place of the namespace

    def __enter__(self) -> Self:
        try:
            try:
                first = self._init.open()
            except NoSuchProcess:
                return self
            try:
                self._hold_all(self._own_namespace())
            finally:
                os.close(first)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *_failure: object) -> None:
        self._release()

    def stop(self) -> bool:
        """Stops them without ever letting go; whether all came to rest. Raises NoSuchProcess."""
        first = self._init.open()
        try:
            return self._hold_all(self._own_namespace())
        finally:
            for fd in (first, *self._pidfds.values()):
                os.close(fd)
            self._pidfds.clear()

    def _own_namespace(self) -> tuple[int, int] | None:
        """None where it has none of its own: everybody else is in that."""
        namespace = _namespace(self._init.pid)
        if namespace != _namespace(os.getpid()):
            return namespace
        from cowl.linux.cgroups import group_of

        self._group = group_of(self._init.pid)
        return None

    def _candidates(self) -> list[int]:
        if self._group is not None:
            return self._group.processes()
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]

    def _hold_all(self, namespace: tuple[int, int] | None) -> bool:
        for _ in range(_PATIENCE):
            if not self._hold_found(namespace) and self._at_rest():
                return True
            time.sleep(_ROUND_SECONDS)
        return False

    def _hold_found(self, namespace: tuple[int, int] | None) -> bool:
        """Stops those that were not known; whether there were any."""
        found = False
        for pid in self._candidates():
            if pid not in self._known and self._belongs(pid, namespace):
                found |= self._hold(pid, namespace)
        return found

    def _belongs(self, pid: int, namespace: tuple[int, int] | None) -> bool:
        if pid == self._init.pid or _namespace(pid) == namespace is not None:
            return True
        if self._group is not None:
            return pid in self._group.processes()
        fields = stat_fields(pid)  # in a namespace inside of that one
        return fields is not None and int(fields[_PARENT]) in self._pidfds

    def _hold(self, pid: int, namespace: tuple[int, int] | None) -> bool:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:  # it ended meanwhile
            return False
        fields = stat_fields(pid)
        if fields is None or fields[_STATE] in _GONE or not self._belongs(pid, namespace):
            os.close(pidfd)
            return False
        self._known.add(pid)
        if fields[_STATE] in _STOPPED:
            os.close(pidfd)
            return False
        self._guard.tell(pid, fields[_START_TIME])
        self._pidfds[pid] = pidfd
        _signal(pidfd, _STOP)
        return True

    def _at_rest(self) -> bool:
        return all(state in _STOPPED + _GONE for pid in self._pidfds for state in _thread_states(pid))

    def _release(self) -> None:
        """The last that was stopped first: a shell is to find its children running again."""
        try:
            while self._pidfds:
                _, pidfd = self._pidfds.popitem()
                _signal(pidfd, _CONT)
                os.close(pidfd)
            self._guard.dismiss()
        finally:
            self._guard.let_go()  # interrupted: it wakes the rest


def stop_all(init: ProcessId) -> bool:
    """Stops all processes of the pid namespace whose first one is `init`, for as long as nobody continues
    them; whether all came to rest. Raises NoSuchProcess.
    """
    held = Frozen(init, guarded=False)
    return held.stop()


def continue_all(init: ProcessId) -> None:
    """Continues them, the first one last; also what had stopped itself. Raises NoSuchProcess."""
    from cowl.linux.process_table import members

    for pid in reversed(members(init)):
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            continue
        namespace, own = _namespace(init.pid), _namespace(pid)
        if pid == init.pid or own == namespace or _parent_is_in(pid, namespace):
            _signal(pidfd, _CONT)
        os.close(pidfd)


def _parent_is_in(pid: int, namespace: tuple[int, int] | None) -> bool:
    """Of a process in a namespace inside of that one: looked at again now that its pid is held."""
    while (fields := stat_fields(pid)) is not None and pid > 1:
        pid = int(fields[_PARENT])
        if _namespace(pid) == namespace is not None:
            return True
    return False


class _Guard:
    """A process that outlives us if we are killed, and knows whom to wake. Without it that is not done."""

    def __init__(self, *, guarded: bool) -> None:
        self._pid, self._writer = 0, -1
        if not guarded:
            return
        reader, self._writer = os.pipe()
        quiet = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in (1, 2)]
        try:
            self._pid = _spawn([(os.POSIX_SPAWN_DUP2, reader, 0), *quiet])
        finally:
            os.close(reader)

    def tell(self, pid: int, start_time: bytes) -> None:
        """Before a process is stopped."""
        if self._pid:
            os.write(self._writer, b"%d %s\n" % (pid, start_time))

    def dismiss(self) -> None:
        """When all are awake."""
        if self._pid:
            os.write(self._writer, b"done\n")

    def let_go(self) -> None:
        """Has it act, unless it was dismissed, and waits for its end. Idempotent."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
        if self._pid:
            os.waitpid(self._pid, 0)
            self._pid = 0


def _spawn(actions: list[Any]) -> int:
    """A Python of its own for the guard; 0 if there is none to be had."""
    argv = [sys.executable, "-I", "-S", "-c", _GUARD]
    for program in (sys.executable, "/proc/self/exe"):  # by its name, or the one that runs us
        try:
            return os.posix_spawn(program, argv, dict(os.environ), file_actions=actions, setpgroup=0)
        except OSError:
            continue
    return 0


def _namespace(pid: int) -> tuple[int, int] | None:
    """The pid namespace of a process; None if it is not for us to see, or has ended."""
    try:
        found = os.stat(f"/proc/{pid}/ns/pid")
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _thread_states(pid: int) -> list[bytes]:
    """The states of a process's threads; none of one that has ended."""
    states = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", "rb", buffering=0) as file:
                states.append(file.read(4096).rpartition(b")")[2].split()[_STATE])
    except (FileNotFoundError, ProcessLookupError):
        return states
    return states


def _signal(pidfd: int, number: int) -> None:
    try:
        send_signal(pidfd, number)
    except ProcessLookupError:
        pass
