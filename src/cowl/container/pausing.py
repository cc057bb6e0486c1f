"""A container held still, and let go on: by its cgroup, or by signals where it has none."""

from __future__ import annotations

from cowl.container.handle.facts import ContainerNotRunning
from cowl.errors import Conflict, NotFound, Unavailable
from cowl.linux.process import NoSuchProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.lifecycle import Containers
    from cowl.store.container_record import ContainerRecord

FREEZE_SECONDS = 10.0  # what waits for a disk comes to rest late


class ContainerPaused(Conflict):
    """It is paused, where one that goes on is needed. `id` is its whole ID."""

    def __init__(self, container_id: str, what: str = "is already paused") -> None:
        self.id = container_id
        super().__init__(f"Container {container_id} {what}")


class ContainerNotPaused(Conflict):
    """It runs, or is at rest, where a paused one is needed. `id` is its whole ID."""

    def __init__(self, container_id: str) -> None:
        self.id = container_id
        super().__init__(f"Container {container_id} is not paused")


class NotHeld(Unavailable):
    """Something in the container did not come to rest. `id` is its whole ID."""

    def __init__(self, container_id: str) -> None:
        self.id = container_id
        super().__init__(
            f"Container {container_id} can't be paused: not all of its processes came to rest in"
            f" {FREEZE_SECONDS:g} seconds",
            hint="it goes on; does one of them wait for a disk or a network file system?",
        )


def pause(service: Containers, record: ContainerRecord) -> ContainerRecord:
    """See `Container.pause`. The row says it first: should we be killed, `unpause` finds what to let go."""
    record = service.find(record.id).record
    if record.state == "paused":
        raise ContainerPaused(record.id)
    if record.state == "restarting":
        raise ContainerPaused(record.id, "is restarting, wait until the container is running")
    if record.state != "running" or record.process is None:
        raise ContainerNotRunning(record.id)
    if not service.store.containers.pause(record.id, paused=True):
        raise ContainerNotRunning(record.id)
    try:
        held = _hold(record)
    except BaseException:
        let_go(service, record.replace(state="paused"))
        raise
    if not held:
        let_go(service, record.replace(state="paused"))
        raise NotHeld(record.id)
    return service.store.containers.get(record.id)


def unpause(service: Containers, record: ContainerRecord) -> ContainerRecord:
    """See `Container.unpause`."""
    record = service.find(record.id).record
    if record.state != "paused":
        raise ContainerNotPaused(record.id)
    let_go(service, record)
    return service.store.containers.get(record.id)


def let_go(service: Containers, record: ContainerRecord) -> None:
    """Whatever holds it; then its row says so. Nothing happens to one that is not paused."""
    thaw(record)
    if record.state == "paused":
        service.store.containers.pause(record.id, paused=False)


def wake(service: Containers, record: ContainerRecord) -> None:
    """After a signal: one that another process has paused heeds it too, as Docker's."""
    try:
        found = service.store.containers.get(record.id)
    except NotFound:
        return
    if found.state == "paused":
        let_go(service, found)


def thaw(record: ContainerRecord) -> None:
    """Lets its processes go on."""
    if record.cgroup:
        from cowl.linux.cgroups import ControllerMissing, cgroup

        try:
            cgroup(record.cgroup).thaw()
        except ControllerMissing:
            return
    elif record.process is not None:
        from cowl.linux.freezer import continue_all

        try:
            continue_all(record.process)
        except NoSuchProcess:
            return


def _hold(record: ContainerRecord) -> bool:
    assert record.process is not None
    if record.cgroup:
        from cowl.linux.cgroups import cgroup

        return cgroup(record.cgroup).freeze(FREEZE_SECONDS)
    from cowl.linux.freezer import stop_all

    try:
        return stop_all(record.process)
    except NoSuchProcess:
        raise ContainerNotRunning(record.id) from None
