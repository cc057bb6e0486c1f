"""The record of a container, and what can be wrong with the one that was asked for."""

from __future__ import annotations

from cowl.errors import Conflict, Invalid, NotFound
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.linux.process import ProcessId
    from cowl.store.layers import Layer
    from cowl.store.stacks import Stack


ACTIVE = ("running", "paused", "restarting")  # what has a process, or will have one again by itself


class NoSuchContainer(NotFound):
    """No container goes by that name or ID. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(f"No such container: {text}")
        self.text = text


class AmbiguousContainerId(Invalid):
    """The beginning of an ID that several containers have. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(f"Multiple IDs found with provided prefix: {text}", hint="give more of its digits")
        self.text = text


class NameInUse(Conflict):
    """Another container has the name. Fields: name, container_id."""

    def __init__(self, name: str, container_id: str) -> None:
        super().__init__(
            f'Conflict. The container name "/{name}" is already in use by container "{container_id}".'
            " You have to remove (or rename) that container to be able to reuse that name."
        )
        self.name = name
        self.container_id = container_id


class NameUnchanged(Invalid):
    """The container has that name already. Field: name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "Renaming a container with the same name as its current name", hint=f"it is called {name}"
        )
        self.name = name


class ContainerRunning(Conflict):
    """A running container can't be removed. Fields: name, container_id."""

    def __init__(self, name: str, container_id: str, state: str = "running") -> None:
        super().__init__(
            f'cannot remove container "/{name}": container is {state}:'
            " stop the container before removing or force remove"
        )
        self.name = name
        self.container_id = container_id


class ContainerRecord(Value):
    """A container as the store holds it.

    state            "created", "running", "paused", "restarting" (between two runs), "exited" or "dead"
    exit_code        0 until it exited; of the last run while it is restarting
    process          its first process, once started
    settings         what the container room keeps: JSON objects as a dict
    created_at       seconds since the epoch, like started_at and finished_at (0.0: not yet)
    directory        absolute; holds upper/, work/ and the container room's files
    stack            the layers of its root; `layers` and `layer_keys` read them
    image_layers     how many of them, from below, are its image's own; the rest was its upper once
    restarts         how often its restart policy has started it again
    wish             what it was asked: "" nothing, "stop" or "restart"; see `Containers.ask`
    monitored        whether it has a monitor, which records its end
    error            why it could not be started, "" if it could
    cgroup           path of the cgroup that its last run had to itself, "" for none
    oom_killed       the kernel killed something of its last run for want of memory
    snapshot_id      what it was forked from or restored to, "" if from nothing
    size_bytes       of its upper, apparent, as measured at its exit; None: measure afresh
    allocated_bytes  of its upper, blocks on disk, likewise
    overhead_bytes   of the rest of its directory, blocks on disk, likewise
    """

    id: str
    name: str
    image_id: str
    state: str
    exit_code: int
    auto_remove: bool
    process: ProcessId | None
    settings: dict[str, Any]
    created_at: float
    started_at: float
    finished_at: float
    directory: str
    stack: Stack
    size_bytes: int | None
    allocated_bytes: int | None
    overhead_bytes: int | None
    image_layers: int
    snapshot_id: str
    restarts: int
    wish: str
    monitored: bool
    error: str
    cgroup: str
    oom_killed: bool

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of its root, bottom first."""
        return self.stack.layers

    @property
    def layer_keys(self) -> tuple[str, ...]:
        """The keys of the layers, bottom first."""
        return tuple(layer.key for layer in self.layers)

    @property
    def upper(self) -> str:
        """The writable tree."""
        return f"{self.directory}/upper"

    @property
    def work(self) -> str:
        """overlayfs's work directory."""
        return f"{self.directory}/work"
