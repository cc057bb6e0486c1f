"""What a runtime knows of its containers between two commands: a directory each, below its root."""

from __future__ import annotations

import json
import os
import time

from cowl.errors import Conflict, Invalid, NotFound
from cowl.linux.files import remove_tree
from cowl.linux.process import ProcessId
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = "1.2.0"
CREATED, RUNNING, STOPPED, PAUSED = "created", "running", "stopped", "paused"
_ALLOWED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-."
_FIFO, _FILE = "exec.fifo", "state.json"


class NoSuchContainer(NotFound):
    """There is no container of that ID."""

    def __init__(self, identity: str) -> None:
        self.id = identity
        super().__init__(f"container {identity!r} does not exist")


class ContainerExists(Conflict):
    """An ID can be used once."""

    def __init__(self, identity: str) -> None:
        self.id = identity
        super().__init__(f"container with id {identity!r} exists already")


class WrongStatus(Conflict):
    """The container is not in a state for it. Fields: id, status."""

    def __init__(self, identity: str, status: str, wanted: str) -> None:
        self.id = identity
        self.status = status
        super().__init__(f"container {identity!r} is {status}: it must be {wanted}")


class OciState(Value):
    """A container's row.

    started   whether its process was told to go on
    config    its config.json as it was at `create`
    cgroup    the path of the control group that we made, "" for none
    """

    id: str
    bundle: str
    process: ProcessId
    created: float
    owner: int
    config: dict[str, Any]
    cgroup: str = ""


class States:
    """The root directory of a runtime."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, identity: str, name: str = "") -> str:
        """Of a container's directory, or a file in it. Raises Invalid for what can be no ID."""
        if not identity or identity in (".", "..") or any(c not in _ALLOWED for c in identity):
            raise Invalid(f"invalid container ID {identity!r}", hint=f"use {_ALLOWED}")
        return os.path.join(self.root, identity, name)

    def claim(self, identity: str) -> str:
        """Makes the directory of a new container; the fifo in it. Raises ContainerExists."""
        path = self.path(identity)
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            raise ContainerExists(identity) from None
        os.mkfifo(self.path(identity, _FIFO), 0o600)
        return self.path(identity, _FIFO)

    def save(self, state: OciState) -> None:
        """Whole or not at all."""
        values = {**state.as_dict(), "process": list(state.process.as_dict().values())}
        path = self.path(state.id, _FILE)
        with open(f"{path}.new", "w") as file:
            json.dump(values, file)
        os.rename(f"{path}.new", path)

    def load(self, identity: str) -> OciState:
        """Raises NoSuchContainer."""
        try:
            with open(self.path(identity, _FILE)) as file:
                values = json.load(file)
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchContainer(identity) from None
        return OciState(**{**values, "process": ProcessId(*values["process"])})

    def list(self) -> list[OciState]:
        """By their IDs; what is just being made is not among them."""
        try:
            names = sorted(os.listdir(self.root))
        except FileNotFoundError:
            return []
        found = []
        for name in names:
            try:
                found.append(self.load(name))
            except (NoSuchContainer, Invalid):
                continue
        return found

    def fifo(self, identity: str) -> str:
        """By which a created container is told to go on; it is gone once that is done."""
        return self.path(identity, _FIFO)

    def status(self, state: OciState) -> str:
        """One of the specification's words."""
        if not state.process.alive():
            return STOPPED
        if os.path.exists(self.fifo(state.id)):
            return CREATED
        return PAUSED if _is_frozen(state) else RUNNING

    def remove(self, identity: str) -> None:
        """Forgets a container."""
        remove_tree(self.path(identity))


def _is_frozen(state: OciState) -> bool:
    if not state.cgroup:
        return False
    from cowl.runtime.oci.groups import is_frozen

    return is_frozen(state.cgroup)


def document(state: OciState, status: str) -> dict[str, Any]:
    """The state of the specification, as `state` prints it and hooks are told it."""
    return {
        "ociVersion": VERSION,
        "id": state.id,
        "status": status,
        "pid": 0 if status == STOPPED else state.process.pid,
        "bundle": state.bundle,
        "annotations": state.config.get("annotations") or {},
    }


def rfc3339(seconds: float) -> str:
    """UTC with nanosecond digits."""
    whole = int(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((seconds - whole) * 1e9):09d}Z"
