"""A container's handle: what it printed, and what it prints now."""

from __future__ import annotations

import os

from cowl.container.ending import is_active
from cowl.container.handle.facts import ContainerFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.container.attachment import Attachment
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

    def attach(self, *, stdin: bool = True) -> Attachment:
        """Its streams as they are from now on, beside whoever else is attached: see Attachment.

        stdin  also its input, if it was made with `open_stdin`
        For one that runs and has a monitor: that was started with `detach`, or with `start_attached`.
        Raises CannotAttach, AttachRefused, NotFound.
        """
        from cowl.container.attachment import attach

        self._record = self._service.find(self.id).record
        attachment = attach(self._service, self._record, stdin=stdin)
        self._service.store.events.note_container(self._record, "attach")
        return attachment

    def start_attached(self, *, stdin: bool = True, size: tuple[int, ...] = ()) -> Attachment:
        """Starts it as `start(detach=True)` does, with us attached from the first byte that it prints.

        size  rows and columns of its window, if it has a terminal
        It goes on when the attachment is closed. Raises as `start` and `attach`.
        """
        from cowl.container.attachment import opened
        from cowl.linux import channel

        ours, theirs = channel.pair()
        self._service.store.events.note_container(self._record, "attach")
        try:
            self._record = self._service.start_detached(self._record, attached=(theirs,), size=size)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._forget_earlier_run()
        return opened(self._service, self._record, ours, stdin=stdin)

    def output_log(self) -> OutputLog:
        """Where somebody who relays the output of one that is not detached may keep a copy; see `logs`."""
        from cowl.container.output_log import OutputLog

        return OutputLog(self._record.directory, self.settings)
