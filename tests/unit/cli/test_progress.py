"""Plain and live progress: what a build and a pull leave on the screen."""

from __future__ import annotations

import io
import re

import pytest

from cowl.cli.progress import PlainProgress, UnknownProgress, build_progress
from cowl.events import (
    BlobProgress,
    BuildFinished,
    BuildStarted,
    Event,
    PullFinished,
    PullStarted,
    StepFinished,
    StepOutput,
    StepStarted,
    Warned,
)

DIGEST = "sha256:" + "ab" * 32
BUILD = (
    BuildStarted(2),
    StepStarted(1, 2, "", "FROM node:14", 1),
    StepFinished(1, False, False, 0, 0, 0.0),
    StepStarted(2, 2, "base", "RUN make\n  && make install", 2),
    StepOutput(2, "stdout", b"one\ntw"),
    StepOutput(2, "stdout", b"o\r\n10%\r20%\n\x1b[31mred"),
    StepFinished(2, False, True, 25_000, 2, 1.26),
    BuildFinished(DIGEST, ("seed:latest",)),
)
PULL = (
    PullStarted("docker.io/library/node:14", DIGEST, ((DIGEST, 2000),)),
    BlobProgress(DIGEST, "downloading", 0, 2000),
    BlobProgress(DIGEST, "downloading", 1000, 2000),
    BlobProgress(DIGEST, "extracting", 2000, 2000),
    BlobProgress(DIGEST, "done", 2000, 2000),
    PullFinished("docker.io/library/node:14", DIGEST, DIGEST, True),
)


def plain(*events: Event, error: BaseException | None = None) -> list[str]:
    out = io.StringIO()
    progress = PlainProgress(out)
    for event in events:
        progress(event)
    progress.__exit__(type(error) if error else None, error, None)
    return out.getvalue().splitlines()


def without_times(lines: list[str]) -> list[str]:
    """The seconds since its step began are dropped from output lines."""
    return [re.sub(r"^(#\d+) \d+\.\d{3} ", r"\1 ", line) for line in lines]


def test_a_build_in_plain_lines() -> None:
    assert without_times(plain(*BUILD)) == [
        "#1 [1/2] FROM node:14",
        "#1 DONE 0.0s",
        "",
        "#2 [base 2/2] RUN make   && make install",
        "#2 one",
        "#2 two",
        "#2 20%",
        "#2 \\x1b[31mred",
        "#2 DONE 1.3s (25kB in 2 files)",
        "",
        "#3 exporting to image",
        f"#3 writing image {DIGEST} done",
        "#3 naming to docker.io/library/seed:latest done",
        "#3 DONE 0.0s",
    ]


def test_a_cached_step() -> None:
    lines = plain(StepStarted(2, 2, "", "RUN x", 2), StepFinished(2, True, True, 5, 1, 0.0))
    assert lines == ["#2 [2/2] RUN x", "#2 CACHED"]


def test_a_step_that_fails_or_is_interrupted() -> None:
    events = (StepStarted(2, 2, "", "RUN x", 2), StepOutput(2, "stderr", b"partial"))
    assert without_times(plain(*events, error=ValueError())) == ["#2 [2/2] RUN x", "#2 partial", "#2 ERROR"]
    assert plain(*events, error=KeyboardInterrupt())[-1] == "#2 CANCELED"


def test_a_line_without_end_is_bounded() -> None:
    started = StepStarted(1, 1, "", "RUN x", 1)
    lines = plain(started, *(StepOutput(1, "stdout", b"x" * 50_000) for _ in range(4)))
    assert len(lines) == 3


def test_a_pull_in_plain_lines() -> None:
    assert plain(*PULL) == [
        "14: Pulling from library/node",
        "abababababab: Pulling fs layer",
        "abababababab: Download complete",
        "abababababab: Pull complete",
        f"Digest: {DIGEST}",
        "Status: Downloaded newer image for node:14",
    ]


def test_a_warning_keeps_its_excerpt() -> None:
    assert plain(Warned("Dockerfile:8: odd\n    8 | COPY x \x1b\n      |      ^")) == [
        "cowl: warning: Dockerfile:8: odd",
        "    8 | COPY x \\x1b",
        "      |      ^",
    ]


def test_the_finished_pull_is_remembered() -> None:
    progress = PlainProgress(io.StringIO())
    for event in PULL:
        progress(event)
    assert progress.reference == "docker.io/library/node:14"


def test_quiet_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with build_progress("plain", quiet=True) as progress:
        for event in (*BUILD, *PULL, Warned("x")):
            progress(event)
    assert capfd.readouterr() == ("", "")


def test_unknown_forms_are_refused() -> None:
    with pytest.raises(UnknownProgress):
        build_progress("loud", quiet=False)


def live(*events: Event, columns: int = 100) -> str:
    from rich.console import Console

    from cowl.cli.live import LiveProgress

    console = Console(
        file=io.StringIO(), force_terminal=True, width=columns, color_system=None, legacy_windows=False
    )
    progress = LiveProgress(console)
    with progress:
        for event in events:
            progress(event)
            progress._live.refresh()
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_the_live_display_of_a_build() -> None:
    text = live(*BUILD)
    assert "=> [1/2] FROM node:14  DONE 0.0s" in text
    assert "=> => 20%" in text
    assert "=> [base 2/2] RUN make   && make install  DONE 1.3s (25kB in 2 files)" in text
    assert "naming to docker.io/library/seed:latest done" in text
    assert "\x1b[31m" not in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")  # the cursor is back


def test_the_live_display_of_a_pull() -> None:
    text = live(*PULL)
    assert "14: Pulling from library/node" in text
    assert "Downloading" in text
    assert "abababababab: Pull complete" in text
    assert "Status: Downloaded newer image for node:14" in text


def test_colours_are_left_out_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    from rich.console import Console

    from cowl.cli.live import LiveProgress

    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with LiveProgress(console) as progress:
        for event in BUILD:
            progress(event)
    file = console.file
    assert isinstance(file, io.StringIO)
    assert "\x1b[32m" not in file.getvalue()
