"""What can be wrong with a copy, and how an error gets from inside a container to who asked."""

from __future__ import annotations

import errno
import os

from cowl.errors import Conflict, Corrupt, CowlError, Denied, Invalid, NotFound, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class NoSuchFile(NotFound):
    """A container, or the host, has nothing at a path."""


class CannotCopy(Invalid):
    """Source and target don't go together."""


class InTheWay(Conflict):
    """What is there already is of another kind than what comes."""


class ReadOnlyPlace(Denied):
    """Nothing can be written there."""


class DeviceRefused(Denied):
    """A device node would have to be made."""


class FileTooBig(Invalid):
    """More bytes than the caller wants."""


_CLASSES: dict[str, type[CowlError]] = {
    known.__name__: known
    for known in (
        NoSuchFile,
        CannotCopy,
        InTheWay,
        ReadOnlyPlace,
        DeviceRefused,
        FileTooBig,
        NotFound,
        Conflict,
        Invalid,
        Denied,
        Unavailable,
        Corrupt,
        CowlError,
    )
}
_DENIED = (errno.EACCES, errno.EPERM)
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def from_os(problem: OSError, path: str) -> CowlError:
    """A failed system call as an error about `path`."""
    told = f"{path}: {os.strerror(problem.errno or 0)}"
    if problem.errno in _NOT_THERE:
        return NoSuchFile(told)
    if problem.errno == errno.EROFS:
        return ReadOnlyPlace(told)
    if problem.errno == errno.ELOOP:
        return CannotCopy(
            told, hint="a link of the kernel's leads out of the container, or links in a circle"
        )
    if problem.errno in _DENIED:
        return Denied(told)
    return Unavailable(told) if problem.errno in _NO_ROOM else CannotCopy(told)


def written(error: BaseException, path: str) -> dict[str, Any]:
    """An error as JSON."""
    if isinstance(error, OSError):
        error = from_os(error, path)
    if not isinstance(error, CowlError):
        return {"error": "CowlError", "message": f"{path}: {type(error).__name__}: {error}", "hint": ""}
    kind = next(each.__name__ for each in type(error).__mro__ if each.__name__ in _CLASSES)
    return {"error": kind, "message": error.message, "hint": error.hint}


def read(answer: dict[str, Any]) -> CowlError:
    """The inverse of `written`: of the same class, or the nearest kind above it."""
    return _CLASSES[answer["error"]](answer["message"], hint=answer["hint"])
