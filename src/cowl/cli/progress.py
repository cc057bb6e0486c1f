"""Progress records to standard error: nothing with -q, plain lines off a terminal, a live display on one.

The plain form of a build is BuildKit's, that of a pull is Docker's. The live one costs the import of
rich and is in `live`, imported on a terminal only. Stages that are built side by side speak from threads
of their own: every form takes one event at a time.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock

from cowl.cli import names
from cowl.cli.bytes_text import bytes_lines, wasted_lines
from cowl.cli.explained import earlier_lines, finished_text, miss_text
from cowl.cli.text import visible
from cowl.errors import Invalid
from cowl.events import (
    BlobProgress,
    BuildFinished,
    BytesExplained,
    CheckWarned,
    Exported,
    PullFinished,
    PullStarted,
    StepCanceled,
    StepFinished,
    StepMissed,
    StepOutput,
    StepStarted,
    StepWaiting,
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
    "pushing": "Pushing",
    "pushed": "Pushed",
    "mounted": "Mounted",
    "there": "Layer already exists",
}


WAITING = "waiting for who makes this step already"


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


def build_progress(mode: str, *, quiet: bool, explain: bool = False) -> Progress:
    """For build; `mode` is auto, json, plain or tty. With `explain` it leaves nothing out.

    Raises UnknownProgress.
    """
    if mode not in ("auto", "json", "plain", "tty"):
        hint = 'Use "auto", "json", "plain" or "tty".'
        if mode == "rawjson":
            hint = "That is BuildKit's own record of its vertexes; \"json\" gives cowl's events, one a line."
        raise UnknownProgress(f"invalid progress {mode!r}", hint=hint)
    if quiet:
        return Progress()
    if mode == "json":
        from cowl.cli.json_progress import JsonProgress

        return JsonProgress(sys.stderr)
    if mode == "plain" or not is_terminal():
        return PlainProgress(sys.stderr, explain=explain)
    from cowl.cli.live import LiveProgress

    return LiveProgress(explain=explain)


def is_terminal() -> bool:
    """Whether standard error can show a live display."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class PlainProgress(Progress):
    """One line after the other, nothing taken back.

    Of several steps under way one speaks; when another does, it is announced again, as BuildKit does it.
    """

    def __init__(self, out: TextIO, *, explain: bool = False) -> None:
        self._out = out
        self._explain = explain
        self._lock = allocate_lock()
        self._started: dict[int, tuple[float, str]] = {}
        self._speaking = 0
        self._partial: dict[tuple[int, str], bytes] = {}
        self._blobs: dict[str, str] = {}
        self._checks: list[CheckWarned] = []
        self._apart = False
        self._exported: list[str] = []
        self._last = 0  # the number of the last step
        self._since = time.monotonic()  # when it ended

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        with self._lock:
            self._show(event)

    def _show(self, event: Event) -> None:
        if isinstance(event, StepStarted):
            self._step(event)
        elif isinstance(event, StepOutput):
            self._output(event)
        elif isinstance(event, StepMissed):
            self._of_step(event.number, miss_text(event))
            if self._explain:
                self._of_step(event.number, *earlier_lines(event, time.time()))
        elif isinstance(event, StepFinished):
            self._finished(event)
        elif isinstance(event, BytesExplained):
            self._bytes(event)
        elif isinstance(event, StepWaiting):
            self._of_step(event.number, WAITING)
        elif isinstance(event, StepCanceled):
            self._flush(event.number)
            self._of_step(event.number, "CANCELED")
            self._started.pop(event.number, None)
            self._speaking = 0
        elif isinstance(event, BuildFinished):
            self._built(event)
        elif isinstance(event, Exported):
            self._exported.append(exported_line(event))
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
        self._started[event.number] = (time.monotonic(), step_text(event))
        self._last = max(self._last, event.number)
        self._turn_to(event.number)

    def _turn_to(self, number: int) -> None:
        """Announces the step, unless the last line was its own."""
        if self._speaking == number:
            return
        if self._speaking:
            self._say(f"#{self._speaking} ...")
        if self._apart:
            self._say("")
        self._apart = True
        self._speaking = number
        self._say(f"#{number} {self._started[number][1]}")

    def _of_step(self, number: int, *lines: str) -> None:
        if number in self._started:
            self._turn_to(number)
        self._say(*(f"#{number} {line}".rstrip() for line in lines))

    def _finished(self, event: StepFinished) -> None:
        self._flush(event.number)
        self._of_step(event.number, finished_text(event, time.time() if self._explain else 0.0))
        self._started.pop(event.number, None)
        self._speaking = 0
        self._since = time.monotonic()

    def _output(self, event: StepOutput) -> None:
        place = (event.number, event.stream)
        *whole, rest = (self._partial.get(place, b"") + event.data).split(b"\n")
        if len(rest) > 1 << 16:  # a line without end must not fill the memory
            whole, rest = [*whole, rest], b""
        self._partial[place] = rest
        for line in whole:
            self._output_line(event.number, line)

    def _output_line(self, number: int, line: bytes) -> None:
        started, _ = self._started.get(number, (time.monotonic(), ""))
        self._of_step(number, f"{time.monotonic() - started:.3f} {output_text(line)}")

    def _flush(self, number: int) -> None:
        """What a step wrote after its last newline."""
        for place in [place for place in self._partial if place[0] == number]:
            rest = self._partial.pop(place)
            if rest:
                self._output_line(number, rest)

    def _bytes(self, event: BytesExplained) -> None:
        lines = bytes_lines(event) if self._explain else wasted_lines(event)
        if lines:
            self._say(*([""] if self._apart else []), *lines)

    def _built(self, event: BuildFinished) -> None:
        """A step of its own, as BuildKit has it."""
        lines = (*self._exported, *built_lines(event), f"DONE {time.monotonic() - self._since:.1f}s")
        title = "exporting to image" if event.kept else "exporting"
        self._say("", *(f"#{self._last + 1} {line}" for line in (title, *lines)))

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


def built_lines(event: BuildFinished) -> list[str]:
    """What came out of a build, in BuildKit's words."""
    if not event.kept:
        return []
    return [
        f"writing image {event.image_id} done",
        *(f"naming to {visible(names.canonical(tag))} done" for tag in event.tags),
    ]


def exported_line(event: Exported) -> str:
    """Where an output or a build cache went."""
    if event.kind == "registry":
        return visible(f"pushing manifest for {event.dest}@{event.digest} done")
    what = "cache" if event.kind.startswith("cache-") else event.kind
    where = "standard output" if event.dest == "-" else event.dest
    return visible(f"exporting {what} to {where} done")


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
