"""The epoch: the one time that a reproducible build knows (https://reproducible-builds.org/specs/source-date-epoch/).

It comes as the build argument SOURCE_DATE_EPOCH, as with BuildKit, or as a timestamp, as with buildah. Then
every time in the config is the epoch, files of the context bear it, and nothing in a layer is younger.
"""

from __future__ import annotations

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from cowl.build.request import BuildRequest
    from cowl.build.task import Task

    T = TypeVar("T", bound=Task)

NAME = "SOURCE_DATE_EPOCH"
_LATEST = 253402300799  # the end of the year 9999, as far as RFC 3339 goes


class BadEpoch(Invalid):
    """A time that is none, or two that differ. Field: text."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(
            f"{why}: {text[:40]!r}",
            hint="Write seconds since 1970-01-01, such as `git log -1 --format=%ct` gives.",
        )
        self.text = text


def epoch_of(request: BuildRequest) -> int | None:
    """The epoch of a build in seconds, None if there is none. Raises BadEpoch."""
    text = dict(request.build_args).get(NAME) or ""
    given = _parse(text) if text else None
    if request.timestamp is None:
        return given
    chosen = _parse(str(request.timestamp))
    if given is not None and given != chosen:
        raise BadEpoch(text, f"the timestamp is {chosen}, but the build argument {NAME} is another time")
    return chosen


def at_epoch(task: T, epoch: int | None) -> T:
    """The task with the epoch among its inputs: another one would give a layer with other times."""
    if epoch is None or task.inputs is None:
        return task
    return task.replace(inputs=task.inputs.replace(parts={**task.inputs.parts, "epoch": epoch}))


def _parse(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text[:20]) > _LATEST:
        raise BadEpoch(text, f"{NAME} is no time")
    return int(text)
