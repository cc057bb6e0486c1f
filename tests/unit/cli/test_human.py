"""Sizes, durations and dates in Docker's words."""

from __future__ import annotations

import time

import pytest

from cowl.cli import human

MINUTE, HOUR, DAY = 60, 3600, 86400
WEEK, MONTH, YEAR = 7 * DAY, 30 * DAY, 365 * DAY


@pytest.mark.parametrize(
    ("count", "four", "three"),
    [
        (0, "0B", "0B"),
        (5, "5B", "5B"),
        (999, "999B", "999B"),
        (1000, "1kB", "1kB"),
        (1024, "1.024kB", "1.02kB"),
        (1_090_000, "1.09MB", "1.09MB"),
        (117_345_678, "117.3MB", "117MB"),
        (999_999, "1MB", "1MB"),
        (999_600, "999.6kB", "1MB"),
        (10**9, "1GB", "1GB"),
        (2 * 10**15, "2PB", "2PB"),
        (10**28, "1e+04YB", "1e+04YB"),
    ],
)
def test_sizes(count: int, four: str, three: str) -> None:
    assert human.size(count) == four
    assert human.short_size(count) == three


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "Less than a second"),
        (0.45, "Less than a second"),
        (1, "1 second"),
        (47.9, "47 seconds"),
        (59, "59 seconds"),
        (MINUTE, "About a minute"),
        (3 * MINUTE, "3 minutes"),
        (35 * MINUTE + 40, "35 minutes"),
        (HOUR, "About an hour"),
        (HOUR + 29 * MINUTE, "About an hour"),
        (HOUR + 31 * MINUTE, "2 hours"),
        (3 * HOUR + 59 * MINUTE, "4 hours"),
        (DAY + 12 * HOUR, "36 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY + 5 * HOUR, "13 days"),
        (2 * WEEK + 4 * DAY, "2 weeks"),
        (3 * WEEK, "3 weeks"),
        (MONTH, "4 weeks"),
        (MONTH + 2 * WEEK, "6 weeks"),
        (2 * MONTH + 2 * WEEK, "2 months"),
        (5 * MONTH + 2 * WEEK, "5 months"),
        (24 * MONTH, "24 months"),
        (24 * MONTH + 2 * WEEK, "2 years"),
        (3 * YEAR + 2 * MONTH, "3 years"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    assert human.duration(seconds) == expected


def test_ago() -> None:
    assert human.ago(100, 160) == "About a minute ago"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01T00:01:00.123456789Z", 60),
        ("1970-01-01T02:01:00+02:00", 60),
        ("1970-01-01T02:01:00.5+02:00", 60),
        ("", 0),
        ("yesterday", 0),
        ("99999-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00Z", -62135596800),
    ],
)
def test_epoch(text: str, expected: float) -> None:
    assert human.epoch(text) == expected


def test_dates_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    try:
        assert human.date(0) == "1970-01-01 01:00:00 +0100 CET"
        assert human.rfc3339(0) == "1970-01-01T01:00:00+01:00"
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
    assert human.rfc3339(0) == "1970-01-01T00:00:00Z"
