"""Progress records to standard error: nothing with -q, plain lines off a terminal, a live display on one.

The plain form of a build is BuildKit's, that of a pull is Docker's. The live one costs the import of
rich and is in `live`, imported on a terminal only.
"""

from __future__ import annotations

import os
import sys
import time

from cowl.cli import human, names
from cowl.cli.text import visible
from cowl.errors import Invalid
from cowl.events import (
    BlobProgress,
    BuildFinished,
    CheckWarned,
    PullFinished,
    PullStarted,
    StepFinished,
    StepOutput,
    StepStarted,
    Warned,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import TextIO

    from cowl.events import Event

BLOB_STATES = {
    "exists": "Already exists",
    "waiting": "Waiting",
    "downloading": "Pulling fs layer",
    "extracting": "Download complete",
    "done": "Pull complete",
}


class UnknownProgress(Invalid):
    """--progress names a form that there is not."""


class Progress:
    """Hears all events and shows none of them; `reference` is that of the last finished pull."""

    reference = ""

    def __call__(self, event: Event) -> None:
        if isinstance(event, PullFinished):
            self.reference = event.reference

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the display; with an error the step that was under way failed."""


def pull_progress(*, quiet: bool) -> Progress:
    """For pull, and for the images that run fetches."""
    if quiet:
        return Progress()
    if is_terminal():
        from cowl.cli.live import LiveProgress

        return LiveProgress()
    return PlainProgress(sys.stderr)


def build_progress(mode: str, *, quiet: bool) -> Progress:
    """For build; `mode` is auto, plain or tty. Raises UnknownProgress."""
    if mode not in ("auto", "plain", "tty"):
        raise UnknownProgress(f"invalid progress {mode!r}", hint='Use "auto", "plain" or "tty".')
    if mode == "plain" and not quiet:
        return PlainProgress(sys.stderr)
    return pull_progress(quiet=quiet)


def is_terminal() -> bool:
    """Whether standard error can show a live display."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class PlainProgress(Progress):
    """One line after the other, nothing taken back."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._started: dict[int, float] = {}
        self._partial: dict[tuple[int, str], bytes] = {}
        self._blobs: dict[str, str] = {}
        self._checks: list[CheckWarned] = []
        self._apart = False
        self._last = 0  # the number of the last step
        self._since = time.monotonic()  # when it ended

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, StepStarted):
            self._step(event)
        elif isinstance(event, StepOutput):
            self._output(event)
        elif isinstance(event, StepFinished):
            self._flush(event.number)
            self._say(f"#{event.number} {finished_text(event)}")
            self._started.pop(event.number, None)
            self._since = time.monotonic()
        elif isinstance(event, BuildFinished):
            self._built(event)
        elif isinstance(event, BlobProgress):
            self._blob(event)
        elif isinstance(event, (PullStarted, PullFinished)):
            self._say(*pull_lines(event))
        elif isinstance(event, Warned):
            self._say(*warning_lines(event))
        elif isinstance(event, CheckWarned):
            self._checks.append(event)

    def _say(self, *lines: str) -> None:
        self._out.write("".join(f"{line}\n" for line in lines))
        self._out.flush()

    def _step(self, event: StepStarted) -> None:
        if self._apart:
            self._say("")
        self._apart = True
        self._started[event.number] = time.monotonic()
        self._last = max(self._last, event.number)
        self._say(f"#{event.number} {step_text(event)}")

    def _output(self, event: StepOutput) -> None:
        place = (event.number, event.stream)
        *whole, rest = (self._partial.get(place, b"") + event.data).split(b"\n")
        if len(rest) > 1 << 16:  # a line without end must not fill the memory
            whole, rest = [*whole, rest], b""
        self._partial[place] = rest
        for line in whole:
            self._output_line(event.number, line)

    def _output_line(self, number: int, line: bytes) -> None:
        seconds = time.monotonic() - self._started.get(number, time.monotonic())
        self._say(f"#{number} {seconds:.3f} {output_text(line)}".rstrip())

    def _flush(self, number: int) -> None:
        """What a step wrote after its last newline."""
        for place in [place for place in self._partial if place[0] == number]:
            rest = self._partial.pop(place)
            if rest:
                self._output_line(number, rest)

    def _built(self, event: BuildFinished) -> None:
        """A step of its own, as BuildKit has it."""
        number = self._last + 1
        lines = ("exporting to image", *built_lines(event), f"DONE {time.monotonic() - self._since:.1f}s")
        self._say("", *(f"#{number} {line}" for line in lines))

    def _blob(self, event: BlobProgress) -> None:
        if self._blobs.get(event.digest) != event.state and event.state in BLOB_STATES:
            self._blobs[event.digest] = event.state
            self._say(f"{event.digest.partition(':')[2][:12]}: {BLOB_STATES[event.state]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in list(self._started):
            self._flush(number)
            if error is not None:
                self._say(f"#{number} {'ERROR' if isinstance(error, Exception) else 'CANCELED'}")
        if self._checks:
            self._say(*check_lines(self._checks))


def step_text(event: StepStarted) -> str:
    """ "[2/4] WORKDIR /app", with the stage's name where it has one."""
    stage = f"{event.stage} " if event.stage else ""
    text = " ".join(event.text.split("\n"))
    return visible(f"[{stage}{event.number}/{event.total}] {text}")


def finished_text(event: StepFinished) -> str:
    """CACHED, or DONE with its time and what its layer holds."""
    if event.cached:
        return "CACHED"
    files = f"{event.files} file{'' if event.files == 1 else 's'}"
    layer = f" ({human.short_size(event.size_bytes)} in {files})" if event.layer else ""
    return f"DONE {event.seconds:.1f}s{layer}"


def built_lines(event: BuildFinished) -> list[str]:
    """What came out of a build, in BuildKit's words."""
    return [
        f"writing image {event.image_id} done",
        *(f"naming to {visible(names.canonical(tag))} done" for tag in event.tags),
    ]


def pull_lines(event: PullStarted | PullFinished) -> list[str]:
    """Docker's first and last lines of a pull."""
    familiar = names.familiar(event.reference)
    if isinstance(event, PullStarted):
        repository, tag, digest = names.split(event.reference)
        return [visible(f"{tag or digest}: Pulling from {repository.partition('/')[2]}")]
    state = "Downloaded newer image for" if event.fresh else "Image is up to date for"
    return [f"Digest: {event.digest}", visible(f"Status: {state} {familiar}")]


def warning_lines(event: Warned) -> list[str]:
    """The message below "cowl: warning:"; an excerpt of a source keeps its columns."""
    first, *rest = visible(event.message).split("\n")
    return [f"cowl: warning: {first}", *rest]


def check_lines(events: Sequence[CheckWarned]) -> list[str]:
    """BuildKit's summary of what its checks found, at the end of a build."""
    count = f"{len(events)} warning{'' if len(events) == 1 else 's'} found"
    found = (f" - {each.rule}: {each.message} (line {each.line})" for each in events)
    return ["", f" {count} (use build --check to expand):", *map(visible, found)]


def output_text(line: bytes) -> str:
    """A line that a RUN wrote, as a terminal would leave it: after a carriage return the line starts anew."""
    text = line.rstrip(b"\r").rpartition(b"\r")[2]
    return visible(text.decode("utf-8", "replace"))
