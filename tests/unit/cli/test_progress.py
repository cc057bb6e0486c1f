"""Plain and live progress: what a build and a pull leave on the screen."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from pathlib import Path

import pytest

from cowl.cli import human
from cowl.cli.json_progress import JsonProgress, event_name
from cowl.cli.progress import PlainProgress, UnknownProgress, build_progress
from cowl.errors import NotFound
from cowl.events import (
    BlobProgress,
    BuildFinished,
    BuildStarted,
    BytesExplained,
    Difference,
    Event,
    LineBytes,
    PullFinished,
    PullStarted,
    StepCanceled,
    StepFinished,
    StepMissed,
    StepOutput,
    StepStarted,
    Warned,
    Waste,
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


def plain(*events: Event, error: BaseException | None = None, explain: bool = False) -> list[str]:
    out = io.StringIO()
    progress = PlainProgress(out, explain=explain)
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


MISSED = StepMissed(
    2,
    "a\x1b changed (content), ARG V 1 -> 2",
    "differs",
    (
        Difference("a\x1b changed (content)", "file", "a\x1b", "content"),
        Difference("ARG V 1 -> 2", "arg", "V", "value", "1", "2"),
        Difference("command changed", "input", "command", "value", "make", "make all"),
    ),
    1.0,
    True,
)
BYTES = BytesExplained(
    (
        LineBytes(0, "the base image", 5_000_000, 9, 0),
        LineBytes(2, "COPY a /", 3_000_000, 2, 0, (Waste("cache", 2, "/c", 200_000, 1, "/c/x", "do"),)),
    ),
    8_000_000,
    0,
    8_000_000,
    True,
)


def test_a_miss_is_told_on_one_line() -> None:
    started = StepStarted(2, 2, "", "RUN x", 2)
    line = "#2 miss: a\\x1b changed (content), ARG V 1 -> 2"
    assert plain(started, MISSED) == ["#2 [2/2] RUN x", line]
    assert plain(started, MISSED, explain=True)[1:] == [
        line,
        "#2   a\\x1b changed (content)",
        "#2   ARG V 1 -> 2",
        "#2   command changed: make -> make all",
        f"#2   compared with the step made {human.ago(1.0, time.time())} by another Dockerfile"
        " or from another directory",
    ]
    long = plain(started, MISSED.replace(reason="x" * 1000))[1]
    assert len(long) == len("#2 miss: ") + 200
    text = live(started, MISSED, StepFinished(2, False, False, 0, 0, 0.1))
    assert text.index("=> [2/2] RUN x  DONE 0.1s") < text.rindex("=> => miss: a\\x1b changed (content)")


def test_wasted_bytes_are_told_when_they_are_many() -> None:
    told = "line 2: 200kB in 1 file stay in the package cache /c (/c/x): do"
    assert plain(BYTES) == [f"cowl: {told}"]
    assert told in live(BYTES)
    assert plain(BYTES, explain=True) == [
        "  LINE      ADDED   SHADOWED  INSTRUCTION",
        "  base        5MB         0B  the base image",
        "     2        3MB         0B  COPY a /",
        f"       {told}",
        "  8MB added, 0B shadowed: 8MB visible",
    ]
    small = BYTES.lines[1].waste[0].replace(size_bytes=99_999)
    assert plain(BYTES.replace(lines=(BYTES.lines[1].replace(waste=(small,)),))) == []


def test_steps_side_by_side_are_announced_when_they_speak() -> None:
    one, two = StepStarted(1, 2, "a", "RUN 1", 1), StepStarted(2, 2, "b", "RUN 2", 2)
    lines = plain(
        one,
        StepOutput(1, "stdout", b"x\n"),
        two,
        StepOutput(1, "stdout", b"y\n"),
        StepFinished(2, True, False, 0, 0, 0.0),
        StepFinished(1, True, False, 0, 0, 0.0),
    )
    assert without_times(lines) == [
        "#1 [a 1/2] RUN 1",
        "#1 x",
        "#1 ...",
        "",
        "#2 [b 2/2] RUN 2",
        "#2 ...",
        "",
        "#1 [a 1/2] RUN 1",
        "#1 y",
        "#1 ...",
        "",
        "#2 [b 2/2] RUN 2",
        "#2 CACHED",
        "",
        "#1 [a 1/2] RUN 1",
        "#1 CACHED",
    ]


def test_threads_do_not_mix_their_lines() -> None:
    out = io.StringIO()
    progress = PlainProgress(out)
    names = {number: f"{'x' * number}" for number in range(1, 5)}

    def speak(number: int) -> None:
        progress(StepStarted(number, 4, names[number], "RUN", number))
        for _ in range(100):
            progress(StepOutput(number, "stdout", names[number].encode() + b"\n"))
        progress(StepFinished(number, False, False, 0, 0, 0.0))

    threads = [threading.Thread(target=speak, args=(number,)) for number in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = re.findall(r"^#(\d) \d+\.\d+ (x+)$", out.getvalue(), re.MULTILINE)
    assert len(said) == 400
    assert all(text == names[int(number)] for number, text in said)


def test_every_event_is_one_json_object() -> None:
    out = io.StringIO()
    progress = JsonProgress(out)
    pieces = (StepOutput(2, "stdout", b"\xc3"), StepOutput(2, "stdout", b"\xa9\xff"))
    for event in (*BUILD, *PULL, MISSED, BYTES, Warned("x"), *pieces):
        progress(event)
    progress.__exit__(NotFound, NotFound("gone", hint="look"), None)
    objects = [json.loads(line) for line in out.getvalue().splitlines()]
    assert all(isinstance(each.pop("time"), float) for each in objects)
    assert {each["event"] for each in objects} == {
        "blob_progress", "build_finished", "build_started", "bytes_explained", "failed", "pull_finished",
        "pull_started", "step_finished", "step_missed", "step_output", "step_started", "warned",
    }  # fmt: skip
    (missed,) = [each for each in objects if each["event"] == "step_missed"]
    assert missed["differences"][1] == {
        "text": "ARG V 1 -> 2", "kind": "arg", "name": "V", "change": "value", "old": "1", "new": "2",
    }  # fmt: skip
    assert [each["data"] for each in objects[-3:-1]] == ["", "é\ufffd"]
    assert objects[-1] == {"event": "failed", "message": "gone", "hint": "look"}


def test_rawjson_is_refused_by_name() -> None:
    with pytest.raises(UnknownProgress) as caught:
        build_progress("rawjson", quiet=False)
    assert '"json"' in caught.value.hint


def test_the_documented_fields_are_those_of_the_records() -> None:
    text = (Path(__file__).parents[3] / "docs" / "progress.md").read_text()
    rows = re.findall(r"^\| `([a-z_`, ]+)` \| (.*) \|$", text, re.MULTILINE)
    told = {
        name: re.findall(r"`([a-z_-]+)`", re.sub(r"\(.*?\)", "", fields))
        for names, fields in rows
        for name in names.split("`, `")
    }
    for record in Event.__subclasses__():
        name = event_name(record.__name__)
        assert told.get(name) == list(record._fields), f"docs/progress.md: the row of {name}"
    for value in (Difference, LineBytes, Waste):
        assert all(f"`{field}`" in text for field in value._fields)


def test_a_canceled_step_speaks_no_more() -> None:
    one, two = StepStarted(1, 2, "a", "RUN 1", 1), StepStarted(2, 2, "b", "RUN 2", 2)
    lines = plain(two, one, StepCanceled(1), StepOutput(2, "stdout", b"x\n"))
    assert without_times(lines[-4:]) == ["#1 CANCELED", "", "#2 [b 2/2] RUN 2", "#2 x"]
