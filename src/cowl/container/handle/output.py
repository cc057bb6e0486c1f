"""A container's handle: what it printed."""

from __future__ import annotations

from cowl.container.ending import is_active
from cowl.container.handle.facts import ContainerFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.container.logs import LogEntry
    from cowl.container.output_log import OutputLog


class ContainerOutput(ContainerFacts):
    """See Container."""

    def logs(
        self, *, follow: bool = False, tail: int | None = None, since: int = 0, until: int | None = None
    ) -> Iterator[LogEntry]:
        """What it printed, oldest first, also in its earlier runs.

        It is kept of detached ones, and of others by who uses `output_log`, as `cowl run` does.

        follow        waits for more until it has ended and all is read; restarts are no end
        tail          the last so many entries only
        since, until  nanoseconds since the epoch, both included
        Raises LogsUnreadable for the driver "none", NoLogs if nobody kept it.
        """
        from cowl.container.logs import Selection, read

        record = self._service.find(self.id).record
        active = (lambda: is_active(self._service, self.id)) if follow else None
        return read(record, self.settings, Selection(tail, since, until), active)

    def output_log(self) -> OutputLog:
        """Where somebody who relays the output of one that is not detached may keep a copy; see `logs`."""
        from cowl.container.output_log import OutputLog

        return OutputLog(self._record.directory, self.settings)
