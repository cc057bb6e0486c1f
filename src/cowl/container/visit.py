"""A visit to a container's files: a process among them, for as long as a copy takes.

Into a running container's own mounts; nothing else may change an upper below a live mount. For one at rest
its layers, volumes and binds are mounted for the visit, as Docker does, and nobody may start it meanwhile.
"""

from __future__ import annotations

import os

from cowl.container.bundle import is_mapped
from cowl.container.options import Settings
from cowl.linux import channel
from cowl.linux.process import NoSuchProcess
from cowl.runtime.options import Bind
from cowl.runtime.premises import Premises
from cowl.runtime.stdio import Stdio
from cowl.store.container_hold import ContainerHold
from cowl.store.container_record import ACTIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from cowl.container.copier import Copying
    from cowl.container.lifecycle import Containers
    from cowl.linux.process import ProcessId
    from cowl.store.container_record import ContainerRecord

    Result = TypeVar("Result")

_ATTEMPTS = 5  # a container may end, or start, while we look
_FILES = ("hosts", "hostname", "resolv.conf")


def visit(
    service: Containers, record: ContainerRecord, copy: Callable[[Copying], Result], *, writes: bool
) -> Result:
    """Has `copy` work among the container's files. Raises ContainerBusy, NotFound, and what it raises."""
    for attempt in range(_ATTEMPTS):
        record = service.store.containers.get(record.id)
        if record.state in ACTIVE and record.process is not None:
            try:
                return _talk(service, record, record.process, copy)
            except NoSuchProcess:
                if attempt == _ATTEMPTS - 1:
                    raise
                service.store.recover()
                continue
        with ContainerHold(record):
            record = service.store.containers.get(record.id)
            if record.state in ACTIVE and record.process is not None:
                continue  # somebody was faster
            return _at_rest(service, record, copy, writes=writes)
    raise NoSuchProcess(0)


def _at_rest(
    service: Containers, record: ContainerRecord, copy: Callable[[Copying], Result], *, writes: bool
) -> Result:
    if not writes:
        return _talk(service, record, _premises(service, record), copy)
    containers = service.store.containers
    containers.stirred(record.id)
    try:
        return _talk(service, record, _premises(service, record), copy)
    finally:
        containers.stirred(record.id)  # until now it was written to


def _premises(service: Containers, record: ContainerRecord) -> Premises:
    """Without what a start makes anew: the kernel's file systems, tmpfs."""
    settings = Settings.from_json(record.settings)
    store = service.store
    files = ((f"{record.directory}/{name}", f"/etc/{name}") for name in _FILES)
    binds = [Bind(source, target) for source, target in files if os.path.exists(source)]
    if settings.mounts:
        from cowl.container.bundle import with_mounts

        found = with_mounts(store, settings, binds)
        binds = [mount for mount in found if isinstance(mount, Bind)]
    return Premises(
        store.root_mount(record.layer_keys, record), tuple(binds), is_mapped(settings), settings.read_only
    )


def _talk(
    service: Containers,
    record: ContainerRecord,
    where: ProcessId | Premises,
    copy: Callable[[Copying], Result],
) -> Result:
    copier = service.copier()
    ours, theirs = channel.pair()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            running = service.visit(where, copier.program, Stdio(theirs, null, null))
        finally:
            os.close(theirs)
            os.close(null)
        try:
            mapped = is_mapped(Settings.from_json(record.settings))
            return copy(copier.begin(ours, record.name, mapped=mapped))
        finally:
            channel.hang_up(ours)
            running.wait()
            running.close()
    finally:
        os.close(ours)
