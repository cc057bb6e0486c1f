"""How a first process comes about: under a hold, with what it needs, and nothing is left if it does not."""

from __future__ import annotations

from cowl.container.bundle import make_bundle
from cowl.container.ending import drop
from cowl.container.networks.modes import prepare
from cowl.container.options import Settings
from cowl.container.surroundings import release
from cowl.runtime.stdio import Stdio
from cowl.store.container_hold import ContainerHold, ContainerNotStopped, check_stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    from cowl.container.lifecycle import Containers
    from cowl.linux.process import ProcessId
    from cowl.runtime.spec import Bundle
    from cowl.store.container_record import ContainerRecord

    class Started(Protocol):
        """What every way of starting a container gives."""

        @property
        def process(self) -> ProcessId:
            """Its first process."""

        def close(self) -> None:
            """Kills it."""

    Begun = TypeVar("Begun", bound=Started)
    Made = TypeVar("Made", bound=Started, covariant=True)

    class Start(Protocol[Made]):
        """A runtime's call that starts one."""

        def __call__(
            self, bundle: Bundle, stdio: Stdio, *, on_namespaces: Callable[[int], None] | None = None
        ) -> Made:
            """See Runtime.start."""


def begin(
    service: Containers,
    record: ContainerRecord,
    stdio: tuple[int, int, int],
    start: Start[Begun],
    *,
    claimed: bool = False,
    monitored: bool = False,
    again: bool = False,
) -> tuple[Begun, ContainerRecord]:
    """Runs the container's first process; while that comes about nobody may move its upper.

    The row names us before anything is mounted: one that is `claimed`, since it was made here, does
    so from its beginning.

    start      the runtime's call for it
    monitored  this process is its monitor; again: and its restart policy wants it
    Raises ContainerNotStopped, ContainerBusy, NotFound and whatever a runtime's `start` raises. One
    that was to be removed at its end is removed then.
    """
    try:
        with ContainerHold(record):
            record = service.store.containers.get(record.id)
            if not again:
                check_stopped(record)
            if not claimed:
                service.store.containers.claim(record.id, monitored=monitored)
            try:
                running, record = _run(service, record, stdio, start, again=again, attached=not monitored)
            except BaseException:
                if not claimed and not monitored:
                    service.store.containers.unclaim(record.id)
                raise
    except ContainerNotStopped:
        raise
    except BaseException:
        if record.auto_remove:
            drop(service.store, record)
        raise
    return running, record


def _run(
    service: Containers,
    record: ContainerRecord,
    stdio: tuple[int, int, int],
    start: Start[Begun],
    *,
    again: bool,
    attached: bool,
) -> tuple[Begun, ContainerRecord]:
    settings = Settings.from_json(record.settings)
    if settings.health is not None:
        from cowl.container.health_state import begin_health

        begin_health(record.directory)
    try:
        connection = prepare(service.store, record, settings)
        bundle = make_bundle(service.store, record, settings, connection)
        if connection is None:
            running = start(bundle, Stdio(*stdio))
        else:
            running = start(bundle, Stdio(*stdio), on_namespaces=connection.join)
    except BaseException:
        release(service.store, record)
        raise
    try:
        cgroup = bundle.spec["linux"].get("cgroupsPath", "")
        service.store.containers.started(
            record.id, running.process, again=again, attached=attached, cgroup=cgroup
        )
        if settings.fixtures is not None and settings.fixtures.storage_opt:
            from cowl.container.size_limit import begin_watch, size_bytes

            limit = size_bytes(settings.fixtures.storage_opt)
            begin_watch(service.config.root, record, running.process, limit)
        return running, service.store.containers.get(record.id)
    except BaseException:
        running.close()
        release(service.store, record)
        raise
