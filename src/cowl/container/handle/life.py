"""A container's handle: start, wait, signals, stop, removal."""

from __future__ import annotations

from cowl.container.ending import RESTART, kill, remove, stop
from cowl.container.handle.facts import ContainerFacts, ContainerNotRunning
from cowl.container.networks.modes import is_bridged
from cowl.container.result import RunTimeout
from cowl.container.words import InvalidOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class ContainerLife(ContainerFacts):
    """See Container."""

    def start(
        self,
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        detach: bool = False,
    ) -> Self:
        """Runs its command on its files as they are; for one that was created or has ended. Gives itself.

        stdin, stdout, stderr  as for `Engine.start`
        detach                 a process of its own looks after it, keeps its output and outlives us
        Unless it is detached it ends with its `with` block, or with the engine, as one of `Engine.start`.
        Returns once the command was executed. Raises ContainerNotStopped, ContainerBusy, NotFound,
        CommandNotFound, CommandNotExecutable.
        """
        if detach:
            if (stdin, stdout, stderr) != (None, None, None):
                raise InvalidOptions("a detached container has no streams of ours", hint="its logs keep them")
            self._record = self._service.start_detached(self._record)
            self._forget_earlier_run()
            return self
        from cowl.container.run import start_again

        fresh = start_again(self._service, self._record, (stdin, stdout, stderr))
        if self._running is not None:
            self._running.close()
        self._let_files_go()
        self._record, self._running, self._files = fresh._record, fresh._running, fresh._files
        self._service.adopt(self)
        return self

    def poll(self) -> int | None:
        """The exit code if it has ended, else None."""
        if self._running is not None and self.returncode is not None:
            return self.returncode  # ours, which may be gone with its row
        return self.refresh().returncode

    @property
    def returncode(self) -> int | None:
        """The exit code, as of the last `wait`, `poll` or look at the store; None before its end."""
        return self.exit_code if self.state in ("exited", "dead") else None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises RunTimeout after `timeout` seconds; it then runs on.

        Raises NotFound when it was removed before we looked: then its code went with its row.
        """
        code, self._record = self._service.wait(self._record, self._running, timeout)
        return code

    def kill(self, signal: int | str = "KILL") -> None:
        """Sends a signal ("TERM", "SIGTERM" or 15) to its pid 1; raises ContainerNotRunning.

        After SIGKILL or its stop signal a detached one is not started again by its restart policy.
        """
        if not kill(self._service, self._record, signal, self.settings.stop_signal):
            raise ContainerNotRunning(self.id)

    def stop(self, timeout: float | None = None, *, signal: int | str = "") -> int:
        """Its stop signal, then SIGKILL; the exit code. No error if it has ended.

        timeout  seconds in between; None is its own (10 unless said otherwise), negative is for ever
        signal   in the place of its stop signal
        Its restart policy does not start it again. Raises NotFound as `wait` does.
        """
        seconds = self.settings.stop_seconds if timeout is None else timeout
        limit = None if seconds < 0 else seconds
        chosen = signal or self.settings.stop_signal or "TERM"
        if self._running is None:
            self._record = stop(self._service, self._record, chosen, limit)
            return self.exit_code
        if not self._service.signal(self._record, chosen):
            return self.wait(limit)
        try:
            return self._await_end(limit)
        finally:
            self._service.store.events.note_container(self._record, "stop")

    def _await_end(self, limit: float | None) -> int:
        try:
            return self.wait(limit)
        except RunTimeout:
            self._service.signal(self._record, "KILL")
            return self.wait()

    def restart(self, timeout: float | None = None, *, signal: int | str = "") -> Self:
        """Stops it as `stop` does, if it runs, and starts it detached. Gives itself.

        Also one that was to be removed at its end stays. Raises as `start`.
        """
        seconds = self.settings.stop_seconds if timeout is None else timeout
        limit = None if seconds < 0 else seconds
        if self._running is not None:
            self.stop(timeout, signal=signal)
            self._running.close()
            self._running = None
        chosen = signal or self.settings.stop_signal or "TERM"
        stop(self._service, self._record, chosen, limit, wish=RESTART)
        self.start(detach=True)
        self._service.store.events.note_container(self._record, "restart")
        return self

    def rename(self, name: str) -> None:
        """Gives it another name; its host name stays. All or nothing, whether it runs or not.

        Raises NameInUse, NameUnchanged, InvalidName, NotFound.
        """
        self._service.store.containers.rename(self.id, name)
        self._record = self._service.store.containers.get(self.id)
        if is_bridged(self.settings.network):
            from cowl.container.networks.names import refresh

            store = self._service.store
            refresh(store, [mine.network for mine in store.networks.memberships(self.id)])

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """Deletes it with its upper; `force` kills it first, `volumes` takes its anonymous volumes along.

        Raises Conflict while it runs.
        """
        remove(self._service, self._record, self._running, force=force, volumes=volumes)
        self._service.forget(self)
        if self._running is not None:
            self._running.close()
        self._running = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._record = self._service.leave(self._record, self._running)
        self._running = None
        self._let_files_go()

    def _let_files_go(self) -> None:
        if self._files is not None:
            self._files.close()
