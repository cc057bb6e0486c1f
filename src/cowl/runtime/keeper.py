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

from cowl.errors import Denied
from cowl.linux import channel, credentials, mounts, namespaces
from cowl.linux.descriptors import arrange
from cowl.linux.process import NoSuchProcess, ProcessId, send_signal
from cowl.linux.root_mount import RootMount
from cowl.linux.rung import ROOT
from cowl.runtime.child import become_payload, enter_and_fork
from cowl.runtime.execution import READY
from cowl.runtime.failures import ChildLost, decode, encode, source_failure
from cowl.runtime.operations import InstallFilter
from cowl.runtime.plan import RLIMITS, Plan, plan, plan_exec
from cowl.runtime.relay import Relay, interpose
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from cowl.runtime.operations import Limit
    from cowl.runtime.stdio import Stdio

REPLY, OWNER = 3, 4  # descriptors of the keeper, after 0, 1, 2
_KILL = 9


class Job(Value):
    """A plan; `init`: the first process of the running container that the payload joins."""

    plan: Plan
    init: ProcessId | None = None


def read_job(job: dict[str, Any]) -> Job:
    """A job as it travels in JSON. Raises UnsupportedSpec, ProtectedTarget."""
    if "spec" in job:
        root = RootMount(tuple(job["lowers"]), job["upper"], job["work"])
        return Job(plan(job["spec"], root, job["rung"]))
    todo = plan_exec(job["process"], job["profile"], job["rung"], mapped=job["mapped"])
    return Job(todo, ProcessId(*job["init"]))


def keep(job: Job, stdio: Stdio, reply: int, owner: int) -> NoReturn:
    """Does the job and exits. Call in a fresh child of a single-threaded process.

    reply   the channel to the starter: "S" started, "F" failed, "E" ended; its end ends the container
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
    def __init__(self, job: Job) -> None:
        self._plan = job.plan
        self._init = job.init
        self._pid = self._pidfd = self._child = -1
        self._console = self._listener = -1
        self._relays: list[Relay] = []

    def run(self) -> None:
        """From the clone to the report of the end."""
        try:
            self._make_child()
            self._prepare()
            # While the child mounts: two processes are faster than one.
            process = ProcessId.of(self._pid)
            program = _program(self._plan)
            if program:
                self._tell(program)
            self._converse()
        except BaseException:
            self._kill()
            raise
        consoles = () if self._console < 0 else (self._console,)
        _say(b"S" + json.dumps(list(process.as_dict().values())).encode(), (self._pidfd, *consoles))
        _release(*consoles)
        self._watch()
        self._report()

    def _make_child(self) -> None:
        if not self._plan.terminal:
            self._relays = interpose(os.geteuid(), may_give=bool(self._plan.owner))
        self._child, theirs = channel.pair()
        if self._init is None:
            flags = 0
            for kind in self._plan.namespaces:
                flags |= namespaces.FLAGS[kind]
            self._pid, self._pidfd = namespaces.clone(flags)
            if self._pid == 0:
                become_payload(self._plan, self._child, theirs)
        else:
            self._join(self._init, theirs)
        os.close(theirs)
        credentials.ignore_broken_pipes()  # not the child: it is made

    def _join(self, init: ProcessId, theirs: int) -> None:
        """A helper enters the container and leaves us its child: only a child is in the pid namespace."""
        target = init.open()
        kinds = _foreign_namespaces(init.pid)
        helper, helper_fd = namespaces.clone()
        if helper == 0:
            enter_and_fork(target, kinds, self._plan, self._child, theirs)
        data, fds = channel.receive(self._child)
        os.waitpid(helper, 0)
        _release(helper_fd, target)
        if data[:1] != b"P":
            raise decode(data[1:]) if data else ChildLost("the exec helper died")
        self._pid, self._pidfd = int(data[1:]), fds[0]

    def _prepare(self) -> None:
        """What the child can't do by itself: id maps, idmapped sources, higher limits."""
        todo = self._plan
        sources: tuple[int, ...] = ()
        if todo.uid_map:
            namespaces.map_ids(self._pid, todo.uid_map, todo.gid_map, deny_setgroups=todo.rung != ROOT)
        if todo.rung == ROOT:
            sources = self._open_sources()
        if todo.owner:
            _own_pipes(todo.owner)
        for limit in todo.limits:
            _set_limit(self._pid, limit)
        self._tell(b"G%d" % len(sources), sources)
        _release(*sources)

    def _tell(self, data: bytes, fds: tuple[int, ...] = ()) -> None:
        """To the child. If it has given up already, what it said about that is still to be read."""
        try:
            channel.send(self._child, data, fds)
        except BrokenPipeError:
            pass

    def _open_sources(self) -> tuple[int, ...]:
        if not self._plan.sources:
            return ()
        users = namespaces.open_user_namespace(self._pid)
        opened = []
        for source in self._plan.sources:
            try:
                opened.append(mounts.clone_tree(source.path, recursive=source.recursive))
                if source.idmap:
                    mounts.set_idmap(opened[-1], users, recursive=source.recursive)
            except OSError as error:
                raise source_failure(source, error) from error
        _release(users)
        return tuple(opened)

    def _converse(self) -> None:
        """Listens to the child until it is the payload. Raises what it could not do."""
        ready = False
        while True:
            data, fds = channel.receive(self._child)
            if data == READY:
                ready = True
            elif data == b"T":
                self._console = fds[0]
            elif data == b"L":
                self._listener = fds[0]
            elif data:
                raise decode(data[1:])
            elif ready:
                break
            else:
                raise ChildLost("the container's first process was killed while it was being set up")
        _release(self._child)

    def _watch(self) -> None:
        """Until the child has ended, which it does at the latest with its starter."""
        if self._listener >= 0:
            _supervise(self._pidfd, self._listener)
            _release(self._listener)
        nothing = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)  # else our copies keep the starter's pipes open
        lifelines = {REPLY, OWNER}
        while True:
            ready = self._poll(lifelines)
            if self._pidfd in ready:
                return
            if lifelines & ready:
                lifelines -= ready
                self._end_all()
            self._copy(ready)

    def _poll(self, lifelines: set[int]) -> set[int]:
        poller = select.poll()
        for fd in (*lifelines, self._pidfd):
            poller.register(fd, select.POLLIN)
        for relay in self._relays:
            poller.register(*relay.wish())
        return {fd for fd, _ in poller.poll()}

    def _copy(self, ready: set[int]) -> None:
        for relay in self._relays[:]:
            if relay.wish()[0] in ready and not relay.step():
                relay.close()
                self._relays.remove(relay)

    def _report(self) -> None:
        for relay in self._relays:
            relay.drain()
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        status = [128 - code, -code] if code < 0 else [code, 0]
        _say(b"E" + json.dumps(status).encode())

    def _end_all(self) -> None:
        """The payload and what it started. With a container's first process the kernel kills the rest."""
        try:
            if self._init is None:
                send_signal(self._pidfd, _KILL)
                return
            from cowl.linux.process_tree import kill_tree

            kill_tree(ProcessId.of(self._pid))
        except (ProcessLookupError, NoSuchProcess):
            pass

    def _kill(self) -> None:
        if self._pidfd < 0:
            return
        try:
            send_signal(self._pidfd, _KILL)
            os.waitpid(self._pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def _set_limit(pid: int, limit: Limit) -> None:
    try:
        credentials.set_limit(pid, limit.resource, limit.soft, limit.hard, firm=limit.firm)
    except OSError as error:
        name = next(name for name, number in RLIMITS.items() if number == limit.resource)
        kind = name.removeprefix("RLIMIT_").lower()
        raise Denied(
            f"the limit {kind}={limit.soft}:{limit.hard} can't be set: {error.strerror}",
            hint="an ordinary user can't go above the hard limit that it has (ulimit -H)",
        ) from error


def _program(todo: Plan) -> bytes:
    """The compiled system call filter that the child will install, b"" for none.

    Imported while the child mounts.
    """
    step = next((item for item in todo.operations if isinstance(item, InstallFilter)), None)
    if step is None:
        return b""
    from cowl.runtime.filters import compile_filter

    return compile_filter(step.profile, step.supervised)


def _own_pipes(owner: tuple[int, ...]) -> None:
    """Gives the payload its pipes; what has a name in a file system stays whose it is."""
    for number in range(3):
        if os.readlink(f"/proc/self/fd/{number}").startswith("pipe:"):
            os.fchown(number, owner[0], owner[1])


def _foreign_namespaces(pid: int) -> int:
    """The namespaces of a process that are not ours already: entering one's own may be refused."""
    flags = 0
    for kind, file in _NAMESPACE_FILES.items():
        if os.stat(f"/proc/{pid}/ns/{file}").st_ino != os.stat(f"/proc/self/ns/{file}").st_ino:
            flags |= namespaces.FLAGS[kind]
    return flags


_NAMESPACE_FILES = {
    "user": "user",
    "mount": "mnt",
    "pid": "pid",
    "uts": "uts",
    "ipc": "ipc",
    "network": "net",
    "cgroup": "cgroup",
}


def _supervise(pidfd: int, listener: int) -> None:
    """A child in the container's user namespace answers the calls that one id can't do; dies with us.

    Whatever goes wrong there (the container may have ended already), those calls then fail with ENOSYS.
    """
    from cowl.runtime.owners import serve

    if os.fork() == 0:
        try:
            namespaces.enter(pidfd, namespaces.USER)
            serve(listener)
        finally:
            os._exit(0)


def _release(*fds: int) -> None:
    for fd in fds:
        os.close(fd)


def _say(data: bytes, fds: tuple[int, ...] = ()) -> None:
    """Tells the starter, who may be gone."""
    try:
        channel.send(REPLY, data, fds)
    except OSError:
        pass
