"""Frozen progress records: the library's only voice. Frontends render them, nothing below prints.

`Emit` is any callable that takes an Event. It is called on the thread that does the work and must
return quickly; an exception that it raises ends the work.
"""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias


class Event(Value):
    """Base of all progress records."""


class Warned(Event):
    """Something that the user should know. `message` may hold several lines (a source excerpt)."""

    message: str


class CheckWarned(Event):
    """A check of the Dockerfile found something; the build goes on.

    rule     the name of the check; `message` is the bare statement, about line `line`
    text     "path:line:column: message" and the source line with a caret
    fix      what to do, or ""
    """

    rule: str
    message: str
    line: int
    text: str
    fix: str = ""


class BuildStarted(Event):
    """A build was planned: `steps` is the number of steps that will be shown, FROM included."""

    steps: int


class StepStarted(Event):
    """A build step begins. `number` counts from 1, `line` is the first source line of its instruction."""

    number: int
    total: int
    stage: str
    text: str
    line: int


class StepOutput(Event):
    """Raw bytes that a RUN wrote. `stream` is "stdout" or "stderr"."""

    number: int
    stream: str
    data: bytes


class StepFinished(Event):
    """A step ended well; `layer`: it added a layer of `size_bytes` (apparent) with `files` files."""

    number: int
    cached: bool
    layer: bool
    size_bytes: int
    files: int
    seconds: float


class BuildFinished(Event):
    """The image `image_id` stands in the store and carries `tags`."""

    image_id: str
    tags: tuple[str, ...]


class PullStarted(Event):
    """A reference was resolved to a manifest: `layers` lists (blob digest, size in bytes) in order."""

    reference: str
    digest: str
    layers: tuple[tuple[str, int], ...]


class BlobProgress(Event):
    """One blob: `done` of `total` bytes; `state` is exists, waiting, downloading, extracting or done."""

    digest: str
    state: str
    done: int
    total: int


class PullFinished(Event):
    """The image stands in the store. `fresh` is False when it was up to date."""

    reference: str
    digest: str
    image_id: str
    fresh: bool


Emit: TypeAlias = "Callable[[Event], None]"


def silent(_event: Event) -> None:
    """The Emit that drops everything."""
