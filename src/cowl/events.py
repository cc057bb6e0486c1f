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


class StepWaiting(Event):
    """A step waits for another build, or another stage, that makes the very same step; it then takes over."""

    number: int


class StepCanceled(Event):
    """A step was given up, because a step of another stage failed or the build was interrupted."""

    number: int


class StepOutput(Event):
    """Raw bytes that a RUN wrote. `stream` is "stdout" or "stderr"."""

    number: int
    stream: str
    data: bytes


class Difference(Value):
    """One thing that is not as it was when a step was last made.

    text    all of it in words: "package.json changed (content)", "ARG VERSION 1 -> 2"
    kind    "file", "arg", "env", "input" (anything else that the instruction says), "base", "above" (a step
            above was made again) or "order" (other steps stand above)
    name    of the file, variable, ...; "" where there is none
    change  "content", "mode", "owner", "kind", "target", "added", "removed", "renamed" or "value"
    old     what it was, cut when long; "" where that says nothing, and where it might be a secret
    new     what it is, likewise
    """

    text: str
    kind: str
    name: str = ""
    change: str = "value"
    old: str = ""
    new: str = ""


class StepMissed(Event):
    """Why a step is carried out and not taken from the cache. Comes between its start and its end.

    reason       one line: "package.json changed (content)", "step above", "first build of this step"
    cause        "differs", "first", "pruned", "no-cache" or "unknown" (only what is never kept can differ)
    differences  all that differs from the nearest earlier form of the step, most telling first
    earlier      when that one was made, in seconds since the epoch; 0.0 when there is none
    elsewhere    it was made by another Dockerfile, or in another directory
    """

    number: int
    reason: str
    cause: str
    differences: tuple[Difference, ...] = ()
    earlier: float = 0.0
    elsewhere: bool = False


class StepFinished(Event):
    """A step ended well; `layer`: it added a layer of `size_bytes` (apparent) with `files` files.

    made_at  when that layer was made, in seconds since the epoch; 0.0 when there is none
    source   the cache that a cached step came from; "" for the store's own
    """

    number: int
    cached: bool
    layer: bool
    size_bytes: int
    files: int
    seconds: float
    made_at: float = 0.0
    source: str = ""


class Waste(Value):
    """Bytes that a line of a Dockerfile pays for in vain.

    kind   "shadowed": a later line hides them; "copied-up": the same bytes lie in an earlier layer, and
           at most owner, mode, attributes or time changed; "cache": what a package manager keeps for later
    line   the line that hides them, or that had them before; 0 is the base image
    cause  "overwritten" or "removed"; "chmod", "chown", "xattr", "touch" or "same"; of a cache its directory
    path   one of the files
    fix    what to write instead, or ""
    """

    kind: str
    line: int
    cause: str
    size_bytes: int
    files: int
    path: str
    fix: str


class LineBytes(Value):
    """What a line of a Dockerfile adds to its image; line 0 is the base. Apparent bytes, each inode once."""

    line: int
    text: str
    added_bytes: int
    added_files: int
    shadowed_bytes: int
    waste: tuple[Waste, ...] = ()


class BytesExplained(Event):
    """Where the bytes of a built image went, line by line.

    Comes before BuildFinished, if that was asked for or a step was carried out. What all lines add, less
    what is shadowed, is `visible_bytes`: what the merged tree shows.

    whole  the base image was looked at too; else only what the Dockerfile itself adds
    """

    lines: tuple[LineBytes, ...]
    added_bytes: int
    shadowed_bytes: int
    visible_bytes: int
    whole: bool


class BuildFinished(Event):
    """The image `image_id` was built; if `kept`, it stands in the store and carries `tags`."""

    image_id: str
    tags: tuple[str, ...]
    kept: bool = True


class Exported(Event):
    """An output stands at `dest`: a path, "-" for a stream, a reference for what was pushed.

    kind        local, tar, oci, docker, registry; cache-local and cache-registry for a build cache
    digest      of the manifest, with its media type and size in bytes; "" and 0 where there is none
    names       canonical names of the image there
    """

    kind: str
    dest: str
    digest: str = ""
    media_type: str = ""
    size: int = 0
    names: tuple[str, ...] = ()


class PullStarted(Event):
    """A reference was resolved to a manifest: `layers` lists (blob digest, size in bytes) in order."""

    reference: str
    digest: str
    layers: tuple[tuple[str, int], ...]


class BlobProgress(Event):
    """One blob: `done` of `total` bytes.

    `state` of one that is fetched: exists, waiting, downloading, extracting, done; of one that is
    pushed: there, mounted, pushing, pushed.
    """

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


def one_at_a_time(emit: Emit) -> Emit:
    """`emit` for several threads: who comes second waits."""
    from _thread import RLock

    lock = RLock()

    def emitting(event: Event) -> None:
        with lock:
            emit(event)

    return emitting
