"""Explanations as lines: why a step missed, how old what it is compared with is, what a layer holds."""

from __future__ import annotations

from cowl.cli import human
from cowl.cli.text import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.events import Difference, StepFinished, StepMissed

WIDEST = 200  # columns of a reason: a path may be as long as it likes


def miss_text(event: StepMissed) -> str:
    """ "miss: package.json changed (content)"."""
    text = visible(event.reason).replace("\n", " ")
    return f"miss: {text if len(text) <= WIDEST else text[: WIDEST - 3] + '...'}"


def earlier_lines(event: StepMissed, now: float) -> list[str]:
    """All that differs, one a line, and from what."""
    lines = [f"  {_difference(each)}" for each in event.differences]
    if event.earlier:
        where = " by another Dockerfile or from another directory" if event.elsewhere else ""
        lines.append(f"  compared with the step made {human.ago(event.earlier, now)}{where}")
    return lines


def _difference(each: Difference) -> str:
    text = visible(each.text).replace("\n", " ")
    if (each.old or each.new) and " -> " not in text and each.change == "value":
        return visible(f"{text}: {each.old or 'none'} -> {each.new or 'none'}")
    return text


def finished_text(event: StepFinished, now: float = 0.0) -> str:
    """CACHED, or DONE with its time and what its layer holds; with `now` that is told of cached ones too."""
    if not event.cached:
        layer = f" ({_holds(event)})" if event.layer else ""
        return f"DONE {event.seconds:.1f}s{layer}"
    source = f" from {visible(event.source)}" if event.source else ""
    if not now or not event.layer:
        return f"CACHED{source}"
    return f"CACHED{source} ({_holds(event)}, made {human.ago(event.made_at, now)})"


def _holds(event: StepFinished) -> str:
    files = f"{event.files} file{'' if event.files == 1 else 's'}"
    return f"{human.short_size(event.size_bytes)} in {files}"
