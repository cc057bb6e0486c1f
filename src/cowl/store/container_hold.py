"""A hold on a container: while it is started, frozen, copied or restored, nobody else does any of that.

A lock on its directory, so it goes with its process. Between a mount of the upper and the row that says
"running" only this lock tells that somebody writes there.
"""

from __future__ import annotations

import fcntl
import os

from cowl.errors import Conflict
from cowl.store.container_record import ACTIVE, NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from cowl.store.container_record import ContainerRecord


class ContainerBusy(Conflict):
    """Another process or thread is at work on the container. Field: container_id."""

    def __init__(self, container_id: str, name: str) -> None:
        super().__init__(
            f"container {name} is being started, copied, snapshot or restored by somebody else",
            hint="try again in a moment",
        )
        self.container_id = container_id


class ContainerHold:
    """Holds the container while the `with` block lasts. Raises ContainerBusy, NoSuchContainer."""

    def __init__(self, record: ContainerRecord) -> None:
        self._record = record
        self._fd = -1

    def __enter__(self) -> Self:
        record = self._record
        try:
            self._fd = os.open(record.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NoSuchContainer(record.name) from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise ContainerBusy(record.id, record.name) from None
        return self

    def __exit__(self, *_failure: object) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_UN)  # closing is not enough while a forked child has a copy
        finally:
            os.close(self._fd)


def is_held(directory: str) -> bool:
    """Whether somebody holds the container of this directory just now; nobody one that is gone."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class ContainerNotStopped(Conflict):
    """The container runs, where one at rest is needed. Fields: container_id, name."""

    def __init__(self, container_id: str, name: str, state: str = "running") -> None:
        hint = "unpause it, or stop it first" if state == "paused" else "stop it first"
        super().__init__(f"container {name} is {state}", hint=hint)
        self.container_id = container_id
        self.name = name


def check_stopped(record: ContainerRecord) -> None:
    """Raises ContainerNotStopped."""
    if record.state in ACTIVE:
        raise ContainerNotStopped(record.id, record.name, record.state)
