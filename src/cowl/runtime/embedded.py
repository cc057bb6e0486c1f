"""The runtime that cowl carries with it: a keeper for each container, forked here or by a launcher."""

from __future__ import annotations

import json
import os
from _thread import allocate_lock

from cowl.errors import Unavailable
from cowl.linux import channel
from cowl.linux.namespaces import single_threaded
from cowl.linux.probe import require_containers, rung
from cowl.linux.process import ProcessId, bury
from cowl.runtime.embedded_process import EmbeddedProcess
from cowl.runtime.failures import ChildLost, decode
from cowl.runtime.sealing import needs_sealing
from cowl.runtime.seccomp_profile import default_profile
from cowl.runtime.stdio import CONTINUE, GIVE_UP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl.runtime.in_person import Kept
    from cowl.runtime.launcher import Launcher
    from cowl.runtime.premises import Premises
    from cowl.runtime.spec import Bundle
    from cowl.runtime.standby import Standby
    from cowl.runtime.stdio import Stdio

_PATIENCE = 0.5  # seconds


class EmbeddedRuntime:
    """Forks keepers itself while this process has one thread, else has a launcher fork them.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._launchers: dict[bool, Launcher] = {}  # by whether it runs from a sealed copy
        self._standby: Standby | None = None
        self._keepers: list[int] = []
        self._lock = allocate_lock()
        self._starts = 0
        self._pid = os.getpid()

    def prepare(self) -> None:
        """See protocol.Runtime. The first start of a process is likely to be its only one: that needs no
        launcher, which the others have as if there were threads."""
        self._leave_parents()
        if self._standby is not None:
            return
        sealed = needs_sealing()
        if self._starts == 0 and not self._launchers and not sealed and single_threaded():
            from cowl.runtime.standby import fork_standby

            self._standby, pid = fork_standby()
            self._keepers.append(pid)
            return
        launcher = self._launcher(sealed=sealed)
        try:
            self._keep_ready(launcher.standby())
        except Unavailable:
            self._bury(launcher)

    def _keep_ready(self, standby: Standby) -> None:
        """One is enough: when many threads start containers no processor waits for work."""
        with self._lock:
            spare, self._standby = self._standby, standby
        if spare is not None:
            spare.close()

    def start(
        self, bundle: Bundle, stdio: Stdio, *, on_namespaces: Callable[[int], None] | None = None
    ) -> EmbeddedProcess:
        """See protocol.Runtime."""
        job = {**self._job(bundle), "pauses": on_namespaces is not None}
        return self._do(job, stdio, on_namespaces)

    def start_in_person(
        self, bundle: Bundle, stdio: Stdio, *, on_namespaces: Callable[[int], None] | None = None
    ) -> Kept:
        """As a child of this process, which must have one thread; see there. Raises as `start`."""
        from cowl.linux.sealed import is_sealed
        from cowl.runtime.in_person import start_in_person
        from cowl.runtime.making import read_job

        job = self._job(bundle)
        if not job["mapped"] and not is_sealed():
            raise Unavailable("a container in the host's user namespace is started from a sealed copy only")
        return start_in_person(read_job({**job, "pauses": on_namespaces is not None}), stdio, on_namespaces)

    def exec(
        self,
        init: ProcessId,
        process: dict[str, Any],
        stdio: Stdio,
        *,
        profile: dict[str, Any] | None = None,
        mapped: bool = True,
        identity: str = "",
        directory: str = "",
    ) -> EmbeddedProcess:
        """See protocol.Runtime."""
        job = {
            "rung": rung(),
            "init": list(init.as_dict().values()),
            "process": process,
            "profile": default_profile(process["capabilities"]["bounding"]) if profile is None else profile,
            "mapped": mapped,
        }
        return self._do(self._dressed(job, identity, directory), stdio)

    def release(self, identity: str, directory: str) -> None:
        """See protocol.Runtime."""

    def _job(self, bundle: Bundle) -> dict[str, Any]:
        return self._dressed(_job(bundle), bundle.id, bundle.directory)

    def _dressed(self, job: dict[str, Any], _identity: str, _directory: str) -> dict[str, Any]:
        """A job with what a runtime of another kind needs of the container."""
        return job

    def visit(self, where: ProcessId | Premises, function: str, stdio: Stdio) -> EmbeddedProcess:
        """See protocol.Runtime."""
        if isinstance(where, ProcessId):
            init = list(where.as_dict().values())
            return self._do({"rung": rung(), "init": init, "function": function, "mapped": True}, stdio)
        from cowl.runtime.premises import visit_job

        return self._do(visit_job(where, function, require_containers()), stdio)

    def close(self) -> None:
        """See protocol.Runtime."""
        self._let_go()
        for pid in self._keepers:
            bury(pid, _PATIENCE)  # who closes finds everything gone
        self._keepers.clear()

    def _let_go(self) -> None:
        if self._standby is not None:
            self._standby.close()
            self._standby = None
        for launcher in self._launchers.values():
            launcher.close()
        self._launchers.clear()

    def _do(
        self, job: dict[str, Any], stdio: Stdio, on_namespaces: Callable[[int], None] | None = None
    ) -> EmbeddedProcess:
        self._reap()
        ours, theirs = channel.pair()
        try:
            try:
                self._submit(job, stdio, ours, theirs)
            finally:
                os.close(theirs)
            return _started(ours, on_namespaces)
        except BaseException:
            os.close(ours)
            raise

    def _submit(self, job: dict[str, Any], stdio: Stdio, ours: int, theirs: int) -> None:
        self._leave_parents()
        self._starts += 1
        if not job["mapped"]:  # its root is the host's: it could write our executable
            self._have_launched(job, stdio, theirs, sealed=True)
            return
        if self._given_to_standby(job, stdio, theirs):
            return
        sealed = needs_sealing()
        if not self._launchers and single_threaded() and not sealed:
            self._keepers.append(_fork_keeper(job, stdio, ours, theirs))
            return
        self._have_launched(job, stdio, theirs, sealed=sealed)

    def _given_to_standby(self, job: dict[str, Any], stdio: Stdio, theirs: int) -> bool:
        with self._lock:
            standby, self._standby = self._standby, None
        if standby is None:
            return False
        try:
            standby.submit(job, stdio, theirs)
        except Unavailable:
            return False  # it was killed, and has done nothing
        return True

    def _have_launched(self, job: dict[str, Any], stdio: Stdio, theirs: int, *, sealed: bool) -> None:
        launcher = self._launcher(sealed=sealed)
        try:
            launcher.submit(job, stdio, theirs)
        except Unavailable:
            self._bury(launcher)
            raise

    def _launcher(self, *, sealed: bool) -> Launcher:
        with self._lock:
            launcher = self._launchers.get(sealed)
            if launcher is None:
                from cowl.runtime.launcher import Launcher

                launcher = self._launchers[sealed] = Launcher(sealed=sealed)
            return launcher

    def _leave_parents(self) -> None:
        """In a forked child: launchers and keepers are the parent's, and end with it."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._lock = allocate_lock()  # a thread that is not here may have held it
        self._keepers.clear()
        self._let_go()

    def _bury(self, launcher: Launcher) -> None:
        """Lets the next start have a new launcher in the place of one that was killed."""
        with self._lock:
            for sealed, known in [*self._launchers.items()]:
                if known is launcher:
                    del self._launchers[sealed]
                    launcher.close()

    def _reap(self) -> None:
        """Buries the keepers that have ended, without waiting."""
        self._keepers = [pid for pid in self._keepers if not bury(pid, 0)]


def _job(bundle: Bundle) -> dict[str, Any]:
    root = bundle.root
    return {
        "rung": require_containers(),
        "spec": bundle.spec,
        "mapped": any(item["type"] == "user" for item in bundle.spec["linux"]["namespaces"]),
        "lowers": root.lowers,
        "upper": root.upper,
        "work": root.work,
        "passing": bundle.passing,
        "timeout": bundle.timeout,
    }


def _started(reply: int, on_namespaces: Callable[[int], None] | None) -> EmbeddedProcess:
    """What the keeper says: a process, or an error that is raised."""
    data, fds = channel.receive(reply)
    if data[:1] == b"N" and on_namespaces is not None:
        _attend(reply, on_namespaces, int(data[1:]))
        data, fds = channel.receive(reply)
    if data[:1] == b"F":
        raise decode(data[1:])
    if not data:
        raise ChildLost("the container's keeper died", hint="is the machine out of memory?")
    return EmbeddedProcess(reply, ProcessId(*json.loads(data[1:])), fds[0], fds[1] if len(fds) > 1 else -1)


def _attend(reply: int, on_namespaces: Callable[[int], None], pid: int) -> None:
    """Our part while the process waits. If that fails nothing of it is left when this raises."""
    try:
        on_namespaces(pid)
    except BaseException:
        _answer(reply, GIVE_UP)
        channel.receive(reply)
        raise
    _answer(reply, CONTINUE)


def _answer(reply: int, word: bytes) -> None:
    """To a keeper that may have died: what it sends next, or does not, tells."""
    try:
        channel.send(reply, word)
    except BrokenPipeError:
        pass


def _fork_keeper(request: dict[str, Any], stdio: Stdio, ours: int, theirs: int) -> int:
    from cowl.runtime.keeper import keep  # a threaded process needs neither
    from cowl.runtime.making import read_job

    job = read_job(request)
    owner = os.pidfd_open(os.getpid())
    try:
        pid = os.fork()
    except OSError as error:
        os.close(owner)
        raise Unavailable(f"can't fork: {error.strerror}") from error
    if pid == 0:
        os.close(ours)
        keep(job, stdio, theirs, owner)
    os.close(owner)
    return pid
