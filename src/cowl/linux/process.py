"""Which process is meant: a pid alone is recycled, so it is kept with its start time and the boot."""

from __future__ import annotations

import os

from cowl.errors import NotFound
from cowl.linux.syscalls import call
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_STATE, _START_TIME = 0, 19  # in proc_pid_stat(5)'s fields after the command name


class NoSuchProcess(NotFound):
    """The process is gone, or its pid belongs to another one by now."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        super().__init__(f"process {pid} is no longer there")


class ProcessId(Value):
    """One process of one boot of this machine. `start_time` is in clock ticks since that boot."""

    pid: int
    start_time: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has `pid` now, zombies included. Raises NoSuchProcess."""
        fields = stat_fields(pid)
        if fields is None:
            raise NoSuchProcess(pid)
        return cls(pid, int(fields[_START_TIME]), boot_id())

    @classmethod
    def current(cls) -> Self:
        """This process."""
        return cls.of(os.getpid())

    def alive(self) -> bool:
        """Whether it still runs: neither gone nor a zombie."""
        fields = stat_fields(self.pid)
        return (
            fields is not None
            and fields[_STATE] not in (b"Z", b"X")
            and int(fields[_START_TIME]) == self.start_time
            and boot_id() == self.boot_id
        )

    def open(self) -> int:
        """A pidfd of it, made before its identity is checked. Raises NoSuchProcess."""
        if self.boot_id != boot_id():
            raise NoSuchProcess(self.pid)
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            raise NoSuchProcess(self.pid) from None
        fields = stat_fields(self.pid)
        if fields is None or int(fields[_START_TIME]) != self.start_time:
            os.close(pidfd)
            raise NoSuchProcess(self.pid)
        return pidfd

    def send_signal(self, number: int) -> None:
        """Sends it a signal, never to a stranger with the same pid. Raises NoSuchProcess."""
        pidfd = self.open()
        try:
            send_signal(pidfd, number)
        except ProcessLookupError:
            raise NoSuchProcess(self.pid) from None
        finally:
            os.close(pidfd)


def send_signal(pidfd: int, number: int) -> None:
    """pidfd_send_signal(2). Raises ProcessLookupError when it is gone."""
    call("pidfd_send_signal", pidfd, number, None, 0)


def bury(pid: int, timeout: float | None) -> bool:
    """Waits for the end of a child for `timeout` seconds (None: for ever); whether it is gone.

    A program may bury all its children itself, or have the kernel do it (SIGCHLD ignored): that is fine.
    """
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
        if timeout == 0 or not _ends(pid, timeout):
            return False
        os.waitpid(pid, os.WNOHANG)
    except (ChildProcessError, ProcessLookupError):
        pass
    return True


def _ends(pid: int, timeout: float | None) -> bool:
    import select

    pidfd = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        return bool(poller.poll(None if timeout is None else timeout * 1000))
    finally:
        os.close(pidfd)


def boot_id() -> str:
    """The random name of this boot of the kernel."""
    with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
        return file.read(64).decode("ascii").strip()


def stat_fields(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat that follow the command name, which may hold spaces and parentheses."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return file.read(4096).rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
