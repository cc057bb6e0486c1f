"""The few kinds of failure. Concrete errors live beside the code that raises them.

An error says what failed, on what and why in `message`, and what to do in `hint`. Frontends map
the kind to an exit code once; nothing below a frontend prints or exits.
"""

from __future__ import annotations


class CowlError(Exception):
    """Anything that cowl refuses or can't do. `message` is one line or a short block; `hint` may be empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class NotFound(CowlError):
    """A thing that was named does not exist: image, container, file, host."""


class Conflict(CowlError):
    """The request contradicts the state: a name in use, an image that a container needs."""


class Invalid(CowlError):
    """The input is malformed: a Dockerfile, a reference, a flag, an archive."""


class Denied(CowlError):
    """The kernel, a registry or a rule of cowl's own forbids it."""


class Unavailable(CowlError):
    """It could work but does not now: no network, disk full, a kernel feature is missing."""


class Corrupt(CowlError):
    """Bytes are not what their digest or their row says."""
