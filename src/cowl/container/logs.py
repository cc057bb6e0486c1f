"""What a container has printed, read back from its log: all of it, a part, or as it comes."""

from __future__ import annotations

import json
import time

from cowl.container.json_log import log_directory
from cowl.container.log_files import LogFiles
from cowl.container.log_options import NONE
from cowl.errors import NotFound, Unavailable
from cowl.linux.inotify import DirectoryWatch
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cowl.container.options import Settings
    from cowl.store.container_record import ContainerRecord

LOOK_SECONDS = 0.2  # how often a follower asks whether the container has ended
_NANO = 1_000_000_000


class LogsUnreadable(Unavailable):
    """The container's log driver keeps nothing."""

    def __init__(self, driver: str) -> None:
        super().__init__(
            "configured logging driver does not support reading",
            hint=f"the container was made with --log-driver {driver}",
        )


class NoLogs(NotFound):
    """The container ran, and nobody kept what it printed. Field: container_id."""

    def __init__(self, name: str, container_id: str) -> None:
        super().__init__(
            f"container {name} has no logs: its output went to who started it, and was not kept",
            hint="logs are kept of detached containers, and of those of cowl run without --rm",
        )
        self.container_id = container_id


class LogEntry(Value):
    """A line of output, or a part of a long one.

    stream       "stdout" or "stderr"; with a terminal all is "stdout"
    data         with its line end; a part that another one continues has none. What was not UTF-8 is
                 U+FFFD, encoded
    nanoseconds  since the epoch, when it was read from the container
    """

    stream: str
    data: bytes
    nanoseconds: int

    @property
    def time(self) -> float:
        """Seconds since the epoch."""
        return self.nanoseconds / _NANO


class Selection(Value):
    """Which entries: the last `tail` (None: all), of these from `since` to `until`, in nanoseconds."""

    tail: int | None = None
    since: int = 0
    until: int | None = None

    def ends_at(self, entry: LogEntry) -> bool:
        """Whether this entry and all later ones are too late."""
        return self.until is not None and entry.nanoseconds > self.until


def read(
    record: ContainerRecord, settings: Settings, chosen: Selection, active: Callable[[], bool] | None
) -> Iterator[LogEntry]:
    """The entries of a container's log, oldest first.

    active  asked whether the container may still print, when nothing has come for a while; None: what
            comes later is not waited for
    Raises LogsUnreadable, NoLogs, before the first entry.
    """
    if settings.log_driver == NONE:
        raise LogsUnreadable(settings.log_driver)
    directory = log_directory(record.directory)
    watch: DirectoryWatch | None = None
    try:
        watch = DirectoryWatch(directory)
    except FileNotFoundError:
        if record.started_at and not record.monitored:
            raise NoLogs(record.name, record.id) from None
        if active is None or not active():
            return iter(())
    return _entries(directory, chosen, active, watch)


def _entries(
    directory: str, chosen: Selection, active: Callable[[], bool] | None, watch: DirectoryWatch | None
) -> Iterator[LogEntry]:
    files = LogFiles(directory)
    try:
        if chosen.tail is not None:
            files.seek_last(chosen.tail)
        over = active is None
        while True:
            for line in files.lines():
                entry = parse(line)
                if entry is None or entry.nanoseconds < chosen.since:
                    continue
                if chosen.ends_at(entry):
                    return
                yield entry
            if over or (chosen.until is not None and time.time_ns() > chosen.until):
                return
            _wait(watch)
            over = active is not None and not active()  # what it printed last is read once more
    finally:
        files.close()
        if watch is not None:
            watch.close()


def _wait(watch: DirectoryWatch | None) -> None:
    if watch is None:  # there is no log yet
        time.sleep(LOOK_SECONDS)
    else:
        watch.wait(LOOK_SECONDS)


def parse(line: bytes) -> LogEntry | None:
    """A line of the file; None for what is damaged, as by a power cut."""
    try:
        found = json.loads(line)
        return LogEntry(found["stream"], found["log"].encode(), _nanoseconds(found["time"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _nanoseconds(text: str) -> int:
    """2026-11-25T14:58:45.660629776Z; with fewer digits, or none, behind the point too."""
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    seconds = int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
    fraction = text[19:].rstrip("Z").removeprefix(".")
    return (_days(year, month, day) * 86400 + seconds) * _NANO + int(fraction.ljust(9, "0")[:9])


def _days(year: int, month: int, day: int) -> int:
    """From the epoch to a Gregorian date; years begin in March, so that leap days end them."""
    year -= month <= 2
    months = (month + 9) % 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * months + 2) // 5 + day - 719469
