"""A process of an exec, whose beginning and end are noted among the events."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.linux.process import ProcessId
    from cowl.runtime.protocol import Running
    from cowl.runtime.stdio import ExitStatus
    from cowl.store.container_record import ContainerRecord
    from cowl.store.events import Events

_KILLED = 137


class ToldExec:
    """A Running that is another one, and says so: exec_create, exec_start, exec_die, as Docker's."""

    def __init__(
        self, events: Events, record: ContainerRecord, command: tuple[str, ...], running: Running
    ) -> None:
        """For one that has just been started."""
        self._events = events
        self._record = record
        self._running = running
        self._known = {"execID": os.urandom(32).hex()}
        self._told = False
        for action in ("exec_create", "exec_start"):
            events.note_container(record, f"{action}: {' '.join(command)}", self._known)

    @property
    def process(self) -> ProcessId:
        """See protocol.Running."""
        return self._running.process

    @property
    def console(self) -> int:
        """See protocol.Running."""
        return self._running.console

    def fileno(self) -> int:
        """See protocol.Running."""
        return self._running.fileno()

    def wait(self, timeout: float | None = None) -> ExitStatus:
        """See protocol.Running."""
        status = self._running.wait(timeout)
        self._tell(status.code)
        return status

    def signal(self, number: int) -> None:
        """See protocol.Running."""
        self._running.signal(number)

    def let_go(self) -> None:
        """See protocol.Running. How it ends is nobody's to tell then."""
        self._running.let_go()
        self._told = True
        self._events.note_container(self._record, "exec_detach", self._known)

    def close(self) -> None:
        """See protocol.Running."""
        self._running.close()
        self._tell(_KILLED)  # unless it had ended by itself

    def _tell(self, code: int) -> None:
        if not self._told:
            self._told = True
            self._events.note_container(self._record, "exec_die", {**self._known, "exitCode": str(code)})
