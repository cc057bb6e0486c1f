"""The standard streams of a process, and how it ended."""

from __future__ import annotations

from cowl.errors import CowlError
from cowl.value import Value

CONTINUE, GIVE_UP = b"C", b"U"  # what a keeper is answered when the namespaces are there
LET_GO = b"D"  # what it is told when its process is to outlive the starter, with the console if there is one


class Stdio(Value):
    """Open descriptors of the caller; the process gets copies as 0, 1 and 2. Unused with a terminal."""

    stdin: int = 0
    stdout: int = 1
    stderr: int = 2


class ExitStatus(Value):
    """`code` as a shell gives it: 128+n when signal n killed it; `signal` is n, else 0.

    out_of_memory  the kernel has killed something in its cgroup for that
    """

    code: int
    signal: int = 0
    out_of_memory: bool = False


class StillRunning(CowlError, TimeoutError):
    """The process had not ended when the timeout was over; it goes on."""

    def __init__(self, pid: int, timeout: float) -> None:
        self.pid = pid
        super().__init__(f"process {pid} is still running after {timeout:g} seconds")
