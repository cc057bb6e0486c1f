"""Why a process could not be started: typed errors that travel from the child to the caller."""

from __future__ import annotations

import errno
import json
import os

from cowl.errors import Conflict, Corrupt, CowlError, Denied, Invalid, NotFound, Unavailable
from cowl.linux.process import NoSuchProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.runtime.operations import Source


class CommandNotFound(NotFound):
    """The payload is not in the image, or not in PATH: exit code 127."""


class CommandNotExecutable(Denied):
    """The payload is there but can't be executed: exit code 126."""


class BindSourceNotFound(NotFound):
    """The host has no such path to bind."""


class MountTargetRefused(Denied):
    """The image or the caller would lead a mount astray: a link where a directory must be."""


class WorkingDirectoryRefused(Denied):
    """The working directory is no directory inside the container."""


class UserNotMapped(Denied):
    """The container has no such id."""


class StepFailed(Unavailable):
    """The kernel refused a step of the plan."""


class ChildLost(Unavailable):
    """The child was killed while it was being set up."""


def source_failure(source: Source, error: OSError) -> CowlError:
    """What it means that a tree of the host can't be opened or idmapped."""
    if source.user and error.errno in (errno.ENOENT, errno.ENOTDIR):
        return BindSourceNotFound(f"bind source path does not exist: {source.path}")
    reason = os.strerror(error.errno or 0)
    return StepFailed(f"{source.path} can't be mounted in a container: {reason}")


_CLASSES: dict[str, type[CowlError]] = {
    known.__name__: known
    for known in (
        CommandNotFound,
        CommandNotExecutable,
        BindSourceNotFound,
        MountTargetRefused,
        WorkingDirectoryRefused,
        UserNotMapped,
        StepFailed,
        ChildLost,
        NoSuchProcess,
        NotFound,
        Conflict,
        Invalid,
        Denied,
        Unavailable,
        Corrupt,
        CowlError,
    )
}


def encode(error: BaseException) -> bytes:
    """An error as JSON. What is no CowlError is a fault of cowl's own, and says so."""
    if isinstance(error, CowlError):
        kind = next(c.__name__ for c in type(error).__mro__ if c.__name__ in _CLASSES)
        fields = [kind, error.message, error.hint]
    else:
        fields = ["CowlError", f"the container can't be made: {type(error).__name__}: {error}", ""]
    return json.dumps(fields).encode()


def decode(data: bytes) -> CowlError:
    """The error again: of the same class, or the nearest kind above it."""
    kind, message, hint = json.loads(data)
    known = _CLASSES.get(kind, CowlError)
    error = known.__new__(known)
    CowlError.__init__(error, message, hint=hint)
    return error
