"""The live display of builds and pulls on a terminal, by rich. Finished lines scroll away, the rest moves."""

from __future__ import annotations

import time
from _thread import allocate_lock

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cowl.cli import human
from cowl.cli.bytes_text import bytes_lines, wasted_lines
from cowl.cli.explained import earlier_lines, finished_text, miss_text
from cowl.cli.progress import (
    BLOB_STATES,
    WAITING,
    Progress,
    built_lines,
    check_lines,
    exported_line,
    output_text,
    pull_lines,
    step_text,
    warning_lines,
)
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
    from types import TracebackType

    from rich.console import RenderableType

    from cowl.events import Event

TAIL = 6  # lines of output below a running step
REFRESHES = 10  # a second
BAR_COLUMNS = 40
STATE_COLUMNS = len("Already exists")
MOVING_STATES = {"downloading": "Downloading", "extracting": "Extracting", "pushing": "Pushing"}


class LiveProgress(Progress):
    """Drawn anew by a thread of rich's while it is entered, so containers then start through a launcher.

    The thread only ever reads snapshots of what the events left here.
    """

    def __init__(self, console: Console | None = None, *, explain: bool = False) -> None:
        self._explain = explain
        self._lock = allocate_lock()
        self._missed: dict[int, StepMissed] = {}
        self._console = console or Console(stderr=True, highlight=False)
        self._steps: dict[int, tuple[str, float]] = {}
        self._output: dict[int, bytes] = {}
        self._blobs: dict[str, BlobProgress] = {}
        self._checks: list[CheckWarned] = []
        self._live = Live(
            console=self._console,
            refresh_per_second=REFRESHES,
            transient=True,
            get_renderable=lambda: Group(*self._moving(time.monotonic())),
        )

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for text, _ in self._steps.values():
                self._print(f" => {'ERROR' if isinstance(error, Exception) else 'CANCELED'} {text}", "red")
        self._steps.clear()
        self._blobs.clear()
        self._live.stop()
        for line in check_lines(self._checks) if self._checks else ():
            self._print(line, "yellow")

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        with self._lock:
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, BlobProgress):
            self._blobs[event.digest] = event
        elif isinstance(event, StepStarted):
            self._steps[event.number] = (step_text(event), time.monotonic())
        elif isinstance(event, StepMissed):
            self._missed[event.number] = event
        elif isinstance(event, StepOutput):
            self._output[event.number] = (self._output.get(event.number, b"") + event.data)[-(1 << 16) :]
        elif isinstance(event, StepWaiting):
            self._output[event.number] = WAITING.encode()
        else:
            self._settle(event)
        if not isinstance(event, (BlobProgress, StepOutput)):
            self._live.refresh()

    def _settle(self, event: Event) -> None:
        """Events that leave lines behind."""
        if isinstance(event, StepFinished):
            self._step_finished(event)
        elif isinstance(event, StepCanceled):
            text, _ = self._steps.pop(event.number, ("", 0.0))
            self._output.pop(event.number, None)
            self._print(f" => CANCELED {text}", "yellow")
        elif isinstance(event, PullStarted):
            for line in pull_lines(event):
                self._print(line)
        elif isinstance(event, PullFinished):
            for blob in self._blobs.values():
                self._print(f"{_short(blob)}: {BLOB_STATES.get(blob.state, blob.state)}")
            self._blobs.clear()
            for line in pull_lines(event):
                self._print(line)
        elif isinstance(event, BytesExplained):
            for line in bytes_lines(event) if self._explain else wasted_lines(event):
                self._print(line)
        elif isinstance(event, Exported):
            self._print(f" => {exported_line(event)}")
            self._blobs.clear()
        elif isinstance(event, BuildFinished):
            for line in built_lines(event):
                self._print(f" => {line}")
        elif isinstance(event, Warned):
            for line in warning_lines(event):
                self._print(line, "yellow")
        elif isinstance(event, CheckWarned):
            self._checks.append(event)

    def _step_finished(self, event: StepFinished) -> None:
        text, _ = self._steps.pop(event.number, ("", 0.0))
        self._output.pop(event.number, None)
        now = time.time() if self._explain else 0.0
        self._print(f" => {text}  {finished_text(event, now)}", "cyan" if event.cached else "green")
        missed = self._missed.pop(event.number, None)
        if missed is not None:
            for line in (miss_text(missed), *(earlier_lines(missed, now) if self._explain else ())):
                self._print(f" => => {line}", "dim")

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)

    def _moving(self, now: float) -> list[RenderableType]:
        parts: list[RenderableType] = []
        for number, (text, started) in list(self._steps.items()):
            head = Text(f" => {text}  {now - started:.1f}s", style="bold", no_wrap=True, overflow="ellipsis")
            parts.append(head)
            missed = self._missed.get(number)
            if missed is not None:
                why = f" => => {miss_text(missed)}"
                parts.append(Text(why, style="dim", no_wrap=True, overflow="ellipsis"))
            parts.extend(
                Text(f" => => {line}", style="dim", no_wrap=True, overflow="ellipsis")
                for line in self._tail(number, TAIL)
            )
        if self._blobs:
            parts.append(self._bars())
        return parts

    def _tail(self, number: int, lines: int) -> list[str]:
        return [output_text(line) for line in self._output.get(number, b"").splitlines()[-lines:]]

    def _bars(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_column()
        grid.add_column(min_width=STATE_COLUMNS)  # else the bars jump when a state changes
        for blob in list(self._blobs.values()):
            state = MOVING_STATES.get(blob.state) or BLOB_STATES.get(blob.state, blob.state)
            moving = blob.state in MOVING_STATES
            total = max(blob.total, 1)
            bar = ProgressBar(total=total, completed=min(blob.done, total), width=BAR_COLUMNS)
            sizes = f"{human.size(blob.done)}/{human.size(blob.total)}"
            grid.add_row(f"{_short(blob)}:", state, bar if moving else "", sizes if moving else "")
        return grid


def _short(blob: BlobProgress) -> str:
    return blob.digest.partition(":")[2][:12]
