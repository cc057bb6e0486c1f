"""Making a container, or one more process in it, by another runtime: what Making is to the embedded one.

The container is created, whoever starts it has its turn, then it is started. It becomes a child of this
process, which adopts what the runtime leaves when it is done.
"""

from __future__ import annotations

import json
import os

from cowl.linux import credentials, namespaces
from cowl.linux.files import remove_tree
from cowl.linux.process import ProcessId, send_signal
from cowl.linux.rung import ROOT
from cowl.runtime.cgroup import Doors, apply, make_cgroup, release_group
from cowl.runtime.external.call import LOG, RuntimeFailed, call_runtime, failure
from cowl.runtime.external.console import Console
from cowl.runtime.external.creation import create_as_root, create_as_user
from cowl.runtime.external.staging import STATE, state_directory
from cowl.runtime.external.streams import settle_streams
from cowl.runtime.process_limits import apply_limit, set_oom_score

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.linux.cgroups import Cgroup
    from cowl.runtime.external.job import ExternalExec, ExternalJob
    from cowl.runtime.external.program import Program
    from cowl.runtime.relay import Relay

_KILL = 9
_NOTHING_LISTENS = -1


class ExternalMaking:
    """See Making. Its streams are 0, 1 and 2 of this process."""

    def __init__(
        self,
        job: ExternalJob,
        on_namespaces: Callable[[int], None] | None = None,
    ) -> None:
        self.pidfd = self.console = -1
        self.listener = _NOTHING_LISTENS
        self.relays: list[Relay] = []
        self._plan = job.plan
        self._on_namespaces = on_namespaces
        self._guard = self._users = -1
        self.cgroup: Cgroup | None = None

    def make(self) -> ProcessId:
        """From the overlay to the execution. Raises what went wrong; then nothing is left of it."""
        plan = self._plan
        self.relays = settle_streams(plan.owner, plan.rung, terminal=plan.terminal)
        self.clear_away()
        os.mkdir(state_directory(plan.directory), 0o700)
        credentials.adopt_orphans()
        try:
            process = self._create()
            if self.cgroup is not None:  # now, for the runtime itself was in it
                apply(self.cgroup, plan.resources)
            for limit in plan.limits:
                apply_limit(process.pid, limit)
            if plan.oom_score is not None:
                set_oom_score(process.pid, plan.oom_score)
            if self._on_namespaces is not None:
                self._on_namespaces(process.pid)
            call_runtime(plan.program, plan.directory, ("start", plan.id), users=self._users)
        except BaseException:
            self._kill()
            raise
        credentials.ignore_broken_pipes()
        return process

    def _create(self) -> ProcessId:
        plan = self._plan
        terminal = Console(plan.directory) if plan.terminal else None
        create = create_as_root if plan.rung == ROOT else create_as_user
        doors = self._open_cgroup()
        try:
            status = create(plan, doors)
        finally:
            doors.close()
        if status != 0:
            raise failure(plan.program, "create", plan.directory, LOG, plan.spec["process"]["args"][0])
        process, self.pidfd = adopt(f"{state_directory(plan.directory)}/pid")
        if plan.rung != ROOT:
            own = namespaces.open_user_namespace(process.pid)
            self._users = namespaces.parent_user_namespace(own)
            os.close(own)
        if terminal is not None:
            self.console = terminal.receive()
        return process

    def _open_cgroup(self) -> Doors:
        if not self._plan.cgroup:
            return Doors()
        self.cgroup = make_cgroup(self._plan.cgroup, {})
        return Doors() if self._plan.enters else Doors.of(self.cgroup)

    def watch_over(self) -> None:
        """Has it killed if this process is killed: nobody else would."""
        from cowl.runtime.external.guard import fork_guard

        self._guard = fork_guard(self.pidfd, lambda pidfd: send_signal(pidfd, _KILL))

    def clear_away(self) -> bool:
        """What the runtime keeps of a container that has ended; see Making."""
        from cowl.runtime.external.guard import dismiss

        group, self.cgroup = self.cgroup, None
        killed = group is not None and release_group(group)  # before the runtime removes it
        clear_away(self._plan.program, self._plan.directory, self._plan.id)
        self._guard = dismiss(self._guard)
        return killed

    def _kill(self) -> None:
        if self.pidfd >= 0:
            try:
                send_signal(self.pidfd, _KILL)
                os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
            except (ProcessLookupError, ChildProcessError):
                pass
        self.clear_away()


class ExternalExecMaking:
    """The same for one more process in a running container."""

    def __init__(self, job: ExternalExec) -> None:
        self.pidfd = self.console = -1
        self.listener = _NOTHING_LISTENS
        self.relays: list[Relay] = []
        self._job = job
        self._guard = -1
        self._process: ProcessId | None = None
        self.cgroup: Cgroup | None = None

    def make(self) -> ProcessId:
        """See Making."""
        job = self._job
        self.relays = settle_streams(job.owner, job.rung, terminal=job.process["terminal"])
        os.close(job.init.open())  # it still runs
        credentials.adopt_orphans()
        name = f"{state_directory(job.directory)}/exec-{os.getpid()}"
        terminal = Console(job.directory) if job.process["terminal"] else None
        try:
            with open(f"{name}.json", "x") as file:
                json.dump(job.process, file)
            self._call(name, terminal)
            self._process, self.pidfd = adopt(f"{name}.pid")
        finally:
            for suffix in (".json", ".pid", ".log"):
                _unlink(name + suffix)
        if terminal is not None:
            self.console = terminal.receive()
        credentials.ignore_broken_pipes()
        return self._process

    def _call(self, name: str, terminal: Console | None) -> None:
        job = self._job
        place = f"{STATE}/{os.path.basename(name)}"
        console = ("--console-socket", f"{STATE}/{terminal.name}") if terminal else ()
        files = ("--process", f"{place}.json", "--pid-file", f"{place}.pid")
        users = -1
        if job.rung != ROOT:
            own = namespaces.open_user_namespace(job.init.pid)
            users = namespaces.parent_user_namespace(own)
            os.close(own)
        doors = Doors() if job.program.kind == "runc" else Doors.to(job.init.pid)
        try:
            call_runtime(
                job.program,
                job.directory,
                ("exec", "--detach", *files, *console, job.id),
                users=users,
                stdio=(0, 1, 2),
                log=f"{os.path.basename(name)}.log",
                limits=job.limits,
                command=job.process["args"][0],
                doors=doors,
            )
        finally:
            doors.close()

    def watch_over(self) -> None:
        """See ExternalMaking."""
        from cowl.linux.process_tree import kill_tree
        from cowl.runtime.external.guard import fork_guard

        process = self._process
        assert process is not None
        self._guard = fork_guard(self.pidfd, lambda _pidfd: kill_tree(process))

    def clear_away(self) -> bool:
        """See ExternalMaking."""
        from cowl.runtime.external.guard import dismiss

        self._guard = dismiss(self._guard)
        return False


def clear_away(program: Program, directory: str, identity: str) -> None:
    """Removes what a runtime keeps of a container that has ended, or whose making failed. Idempotent."""
    state = state_directory(directory)
    if not os.path.isdir(state):
        return
    if os.path.isdir(f"{state}/{identity}"):
        try:
            call_runtime(program, directory, ("delete", "--force", identity))
        except RuntimeFailed:
            pass  # of a user namespace, or half made: it is no more than files
    remove_tree(state)


def adopt(pid_file: str) -> tuple[ProcessId, int]:
    """The process that a runtime left us, with a pidfd."""
    with open(pid_file) as file:
        pid = int(file.read())
    return ProcessId.of(pid), os.pidfd_open(pid)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
