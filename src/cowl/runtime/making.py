"""Making a process in namespaces of its own: what its parent does, from the clone to the payload."""

from __future__ import annotations

import errno
import os

from cowl.linux import channel, credentials, mounts, namespaces
from cowl.linux.process import ProcessId, send_signal
from cowl.linux.root_mount import RootMount
from cowl.linux.rung import ROOT
from cowl.runtime.binding import open_source
from cowl.runtime.child import become_payload, enter_and_fork
from cowl.runtime.execution import READY
from cowl.runtime.failures import ChildLost, StepFailed, decode, source_failure
from cowl.runtime.operations import InstallFilter, Visit
from cowl.runtime.plan import Plan, plan, plan_call, plan_exec, plan_visit
from cowl.runtime.process_limits import apply_limit, set_oom_score
from cowl.runtime.relay import Relay, interpose
from cowl.runtime.stream_owner import own_pipes
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl.linux.cgroups import Cgroup
    from cowl.runtime.external.job import ExternalExec, ExternalJob

_KILL = 9
_NOT_INTO = (errno.ENOSYS, errno.E2BIG, errno.EINVAL)  # a kernel before 5.7, or a filter around us


class Job(Value):
    """A plan; `init`: the first process of the running container that the payload joins.

    pauses   the starter has something to do once the namespaces are there
    passing  see Bundle
    timeout  seconds that it may run; 0: as long as it likes
    """

    plan: Plan
    init: ProcessId | None = None
    pauses: bool = False
    passing: bool = False
    timeout: float = 0

    def making(
        self,
        settle: Callable[[tuple[int, int]], tuple[int, int]] | None = None,
        on_namespaces: Callable[[int], None] | None = None,
    ) -> Making:
        """Who makes it."""
        return Making(self, settle, on_namespaces)


def read_job(job: dict[str, Any]) -> Job | ExternalJob | ExternalExec:
    """A job as it travels in JSON. Raises UnsupportedSpec, ProtectedTarget."""
    if "program" in job:
        from cowl.runtime.external.job import read_external_job

        return read_external_job(job)
    if "function" in job:
        __import__(job["function"].partition(":")[0])  # here, for the child can import nothing
        return Job(plan_call(job["function"], job["rung"]), ProcessId(*job["init"]))
    root = RootMount(tuple(job["lowers"]), job["upper"], job["work"]) if "lowers" in job else None
    if root is not None and "visit" in job:
        __import__(job["visit"]["function"].partition(":")[0])
        return Job(plan_visit(job["visit"], root, job["rung"]))
    if root is not None:
        todo = plan(job["spec"], root, job["rung"])
        return Job(todo, pauses=job["pauses"], passing=job["passing"], timeout=job["timeout"])
    todo = plan_exec(job["process"], job["profile"], job["rung"], mapped=job["mapped"])
    return Job(todo, ProcessId(*job["init"]))


class Making:
    """One process in the making, by the single-threaded process that will be its parent.

    Its streams are 0, 1 and 2 of this process. Afterwards `pidfd` is it, `console` the master of its
    terminal, `listener` where the calls arrive that one id can't do; -1 where there is none. `cgroup`
    was made for it, if its plan says so: whoever sees its end removes it.
    """

    def __init__(
        self,
        job: Job,
        settle: Callable[[tuple[int, int]], tuple[int, int]] | None = None,
        on_namespaces: Callable[[int], None] | None = None,
    ) -> None:
        """What is to be called on the way.

        settle         in the child with the parent's end of the channel and its own, and gives them
        on_namespaces  see protocol.Runtime.start
        """
        self.pidfd = self.console = self.listener = -1
        self.cgroup: Cgroup | None = None
        self.relays: list[Relay] = []
        self._settle = settle
        self._on_namespaces = on_namespaces
        self._plan = job.plan
        self._init = job.init
        self._pid = self._child = -1

    def make(self) -> ProcessId:
        """From the clone to the execution. Raises what went wrong; then nothing is left of it."""
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
        return process

    def watch_over(self) -> None:
        """Nothing is to be done: what dies with us is set."""

    def clear_away(self) -> bool:
        """After the end of the process; whether the kernel has killed for memory in its cgroup."""
        if self.cgroup is None:
            return False
        from cowl.runtime.cgroup import release_group

        group, self.cgroup = self.cgroup, None
        return release_group(group)

    def _make_child(self) -> None:
        if not self._plan.terminal:
            self.relays = interpose(os.geteuid(), may_give=bool(self._plan.owner))
        self._child, theirs = channel.pair()
        if self._init is None:
            flags = 0
            for kind in self._plan.namespaces:
                flags |= namespaces.FLAGS[kind]
            into = self._early_cgroup()
            home = _enter_network(self._plan.network)
            self._pid, self.pidfd = self._clone(flags, into)
            if home >= 0:
                os.close(home) if self._pid == 0 else namespaces.return_network(home)
            if self._pid == 0:
                ends = self._child, theirs
                become_payload(self._plan, *(self._settle(ends) if self._settle else ends))
            if into >= 0:
                os.close(into)
        else:
            self._join(self._init, theirs)
        os.close(theirs)
        credentials.ignore_broken_pipes()  # not the child: it is made

    def _early_cgroup(self) -> int:
        """The cgroup that the child is cloned into, as a descriptor; -1 where it gets in by itself, later."""
        if not self._plan.cgroup:
            return -1
        from cowl.linux.cgroups import V2, version
        from cowl.runtime.cgroup import make_cgroup

        if version() != V2:
            return -1
        self.cgroup = make_cgroup(self._plan.cgroup, self._plan.resources or {})
        return self.cgroup.open_directory()

    def _clone(self, flags: int, into: int) -> tuple[int, int]:
        if into < 0:
            return namespaces.clone(flags)
        try:
            return namespaces.clone(flags, cgroup=into)
        except OSError as error:
            if error.errno not in _NOT_INTO or self.cgroup is None:
                from cowl.runtime.cgroup import cgroup_refused

                raise cgroup_refused(self._plan.cgroup, error) from error
        pid, pidfd = namespaces.clone(flags)
        if pid:
            self.cgroup.add(pid)
        return pid, pidfd

    def _join(self, init: ProcessId, theirs: int) -> None:
        """A helper enters the container and leaves us its child: only a child is in the pid namespace."""
        from cowl.runtime.cgroup import Doors

        target = init.open()
        kinds = _foreign_namespaces(init.pid)
        visits = isinstance(self._plan.operations[-1], Visit)
        if visits:
            kinds &= _FILES  # it is none of the container's processes, and none of them sees it
        doors = Doors() if visits else Doors.to(init.pid)
        helper, helper_fd = self._clone(0, doors.into)
        if helper == 0:
            enter_and_fork(target, kinds, doors.fds, self._plan, self._child, theirs)
        data, fds = channel.receive(self._child)
        os.waitpid(helper, 0)
        _release(helper_fd, target)
        doors.close()
        if data[:1] != b"P":
            raise decode(data[1:]) if data else ChildLost("the exec helper died")
        self._pid, self.pidfd = int(data[1:]), fds[0]

    def _prepare(self) -> None:
        """What the child can't do by itself: id maps, idmapped sources, higher limits."""
        todo = self._plan
        sources: tuple[int, ...] = ()
        if todo.uid_map:
            namespaces.map_ids(self._pid, todo.uid_map, todo.gid_map, deny_setgroups=todo.rung != ROOT)
        if self._on_namespaces is not None:
            self._on_namespaces(self._pid)
        if todo.rung == ROOT:
            sources = self._open_sources()
        if todo.owner:
            own_pipes(todo.owner)
        for limit in todo.limits:
            apply_limit(self._pid, limit)
        if todo.oom_score is not None:
            set_oom_score(self._pid, todo.oom_score)
        self._tell(b"G%d" % len(sources), sources)
        _release(*sources)
        if todo.cgroup:
            self._open_cgroup()

    def _open_cgroup(self) -> None:
        """Made while the child mounts, if it is not there yet."""
        if self.cgroup is None:
            from cowl.runtime.cgroup import make_cgroup

            self.cgroup = make_cgroup(self._plan.cgroup, self._plan.resources or {})
        doors = self.cgroup.open_doors()
        self._tell(b"C", doors)
        _release(*doors)

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
                opened.append(open_source(source))
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
                self.console = fds[0]
            elif data == b"L":
                self.listener = fds[0]
            elif data:
                raise decode(data[1:])
            elif ready:
                break
            else:
                raise ChildLost("the container's first process was killed while it was being set up")
        _release(self._child)

    def _kill(self) -> None:
        if self.pidfd >= 0:
            try:
                send_signal(self.pidfd, _KILL)
                os.waitpid(self._pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        self.clear_away()


def _enter_network(path: str) -> int:
    """Into the network namespace that the child is to be in; where to return to, -1 if there is none."""
    if not path:
        return -1
    try:
        return namespaces.enter_network(path)
    except OSError as error:
        raise StepFailed(f"the network namespace {path} can't be joined: {error.strerror}") from error


def _program(todo: Plan) -> bytes:
    """The compiled system call filter that the child will install, b"" for none.

    Imported while the child mounts.
    """
    step = next((item for item in todo.operations if isinstance(item, InstallFilter)), None)
    if step is None:
        return b""
    from cowl.runtime.filters import compile_filter

    return compile_filter(step.profile, step.supervised)


def _foreign_namespaces(pid: int) -> int:
    """The namespaces of a process that are not ours already: entering one's own may be refused."""
    flags = 0
    for kind, file in _NAMESPACE_FILES.items():
        if os.stat(f"/proc/{pid}/ns/{file}").st_ino != os.stat(f"/proc/self/ns/{file}").st_ino:
            flags |= namespaces.FLAGS[kind]
    return flags


_FILES = namespaces.USER | namespaces.MOUNT
_NAMESPACE_FILES = {
    "user": "user",
    "mount": "mnt",
    "pid": "pid",
    "uts": "uts",
    "ipc": "ipc",
    "network": "net",
    "cgroup": "cgroup",
}


def _release(*fds: int) -> None:
    for fd in fds:
        os.close(fd)
