"""The process between a container and who started it: makes it, watches it, ends with it.

It is single-threaded, so it may clone into namespaces; it answers the system calls that a single id
can't do, while the starter is busy; and it kills the container when the starter lets go or dies,
however the payload has changed its own death signal. It keeps one container or one exec.
"""

from __future__ import annotations

import gc
import json
import os
import select
import time

from cowl.linux import channel, credentials
from cowl.linux.descriptors import arrange
from cowl.linux.process import NoSuchProcess, ProcessId, send_signal
from cowl.runtime.failures import ChildLost, encode
from cowl.runtime.stdio import CONTINUE, LET_GO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from cowl.runtime.external.job import ExternalExec, ExternalJob
    from cowl.runtime.making import Job
    from cowl.runtime.stdio import Stdio

REPLY, OWNER = 3, 4  # descriptors of the keeper, after 0, 1, 2
_KILL = 9
_DAY = 86400


def keep(job: Job | ExternalJob | ExternalExec, stdio: Stdio, reply: int, owner: int) -> NoReturn:
    """Does the job and exits. Call in a fresh child of a single-threaded process.

    reply   the channel to the starter: "N" the namespaces are there, which it answers with CONTINUE or
            GIVE_UP, "S" started, "F" failed, "E" ended; its end ends the container, unless it has said
            LET_GO of an exec
    owner   a pidfd of the process that the container must not outlive
    """
    try:
        gc.disable()  # a collection would touch, and so copy, all that is shared with the starter
        arrange((stdio.stdin, stdio.stdout, stdio.stderr, reply, owner))
        os.setsid()
        os.chdir("/")
        credentials.default_signals()
        credentials.rename("cowl-keeper")
        _Keeper(job).run()
    except BaseException as error:  # noqa: BLE001  # it must never return into the starter's code
        _say(b"F" + encode(error))
    finally:
        os._exit(0)


class _Keeper:
    def __init__(self, job: Job | ExternalJob | ExternalExec) -> None:
        self._is_container = job.init is None
        self._passing = job.passing
        self._pauses = job.pauses
        attends = self._passing or self._pauses
        self._making = job.making(on_namespaces=self._attend if attends else None)
        self._timeout = job.timeout
        self._deadline: float | None = None
        self._console = -1  # of one that was let go of: somebody must read it

    def run(self) -> None:
        """From the clone to the report of the end."""
        making = self._making
        process = making.make()
        making.watch_over()
        consoles = () if making.console < 0 else (making.console,)
        _say(b"S" + json.dumps(list(process.as_dict().values())).encode(), (making.pidfd, *consoles))
        _release(*consoles)
        self._relays = making.relays
        self._watch(process, making.pidfd, making.listener)
        self._report(process.pid)

    def _attend(self, pid: int) -> None:
        if self._passing:
            # Its mounts then go with us, not with it; before, taking them down would delay its end.
            os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        if self._pauses:
            _ask(pid)

    def _watch(self, process: ProcessId, pidfd: int, listener: int) -> None:
        """Until the child has ended, which it does at the latest with its starter."""
        if listener >= 0:
            from cowl.runtime.supervision import supervise

            supervise(pidfd, listener)
            _release(listener)
        nothing = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)  # else our copies keep the starter's pipes open
        lifelines = {REPLY, OWNER}
        if self._timeout:
            self._deadline = time.monotonic() + self._timeout
        while True:
            ready = self._poll((*lifelines, pidfd))
            if pidfd in ready:
                return
            if REPLY in lifelines & ready and self._is_let_go():
                lifelines.clear()
            elif lifelines & ready or self._is_over():
                lifelines -= ready
                self._end_all(process, pidfd)
            self._copy(ready)

    def _is_let_go(self) -> bool:
        """Whether that is what the starter says of an exec: it then lives as long as the container."""
        data, fds = channel.receive(REPLY)
        if data != LET_GO or self._is_container:
            return False
        self._console = fds[0] if fds else -1
        return True

    def _is_over(self) -> bool:
        """Whether it has run for as long as it may; said once."""
        over = self._deadline is not None and time.monotonic() >= self._deadline
        if over:
            self._deadline = None
        return over

    def _drain_console(self) -> None:
        try:
            data = os.read(self._console, 1 << 16)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody holds it any more
            data = b""
        if not data:
            _release(self._console)
            self._console = -1

    def _poll(self, fds: tuple[int, ...]) -> set[int]:
        poller = select.poll()
        if self._console >= 0:
            poller.register(self._console, select.POLLIN)
        for fd in fds:
            poller.register(fd, select.POLLIN)
        for relay in self._relays:
            poller.register(*relay.wish())
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        return {fd for fd, _ in poller.poll(None if left is None else min(left, _DAY) * 1000)}

    def _copy(self, ready: set[int]) -> None:
        if self._console in ready:
            self._drain_console()
        for relay in self._relays[:]:
            if relay.wish()[0] in ready and not relay.step():
                relay.close()
                self._relays.remove(relay)

    def _report(self, pid: int) -> None:
        for relay in self._relays:
            relay.drain()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        status = [128 - code, -code] if code < 0 else [code, 0]
        _say(b"E" + json.dumps([*status, self._making.clear_away()]).encode())

    def _end_all(self, process: ProcessId, pidfd: int) -> None:
        """The payload and what it started. With a container's first process the kernel kills the rest."""
        try:
            if self._is_container:
                send_signal(pidfd, _KILL)
                if self._making.cgroup is not None:
                    self._making.cgroup.thaw()
                return
            from cowl.linux.process_tree import kill_tree

            kill_tree(process)
        except (ProcessLookupError, NoSuchProcess):
            pass


def _ask(pid: int) -> None:
    """Has the starter do its part. Raises ChildLost if it can't, or is gone; it knows better why."""
    _say(b"N%d" % pid)
    answer, _ = channel.receive(REPLY)
    if answer != CONTINUE:
        raise ChildLost("the starter gave up")


def _release(*fds: int) -> None:
    for fd in fds:
        os.close(fd)


def _say(data: bytes, fds: tuple[int, ...] = ()) -> None:
    """Tells the starter, who may be gone."""
    try:
        channel.send(REPLY, data, fds)
    except OSError:
        pass
