"""Filters of prunes: what Docker's words mean, and what is refused."""

from __future__ import annotations

import pytest

from cowl.accounting.prune_filters import InvalidFilter, moment, parse_filters, span

NOW = 1_700_000_000.0
KNOWN = ("until", "label", "label!", "type")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 86_400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("300ms", 0.3),
        ("7d", 604_800),
        ("2w1d", 1_296_000),
        ("-1h", -3600),
        ("0s", 0),
    ],
)
def test_spans(text: str, seconds: float) -> None:
    assert span(text) == pytest.approx(seconds)
    assert moment(text, NOW) == pytest.approx(NOW - seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1136073845", 1_136_073_845),
        ("1136073845.5", 1_136_073_845.5),
        ("2006-01-02T15:04:05Z", 1_136_214_245),
        ("2006-01-02T15:04:05.123456789+01:00", 1_136_210_645.123456),
        ("2006-01-02Z", 1_136_160_000),
    ],
)
def test_moments(text: str, seconds: float) -> None:
    assert moment(text, NOW) == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize("text", ["", "soon", "7", "h", "1h2", "--1h", "1h-2m", "2006-13-02", "1x"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(InvalidFilter):
        span(text)


@pytest.mark.parametrize("text", ["", "soon", "2006-13-02", "99999-01-01T00:00:00Z", "1_000"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InvalidFilter, match="neither a span of time nor a date"):
        moment(text, NOW)


def test_labels_must_all_be_there_and_none_of_the_others() -> None:
    found = parse_filters(["label=a", "label=b=2", "label!=c", "label!=d=4"], KNOWN, NOW)
    assert found.labels_fit({"a": "1", "b": "2"})
    assert found.labels_fit({"a": "", "b": "2", "d": "5"})
    for labels in (
        {"a": "1"},
        {"a": "1", "b": "3"},
        {"a": "", "b": "2", "c": ""},
        {"a": "", "b": "2", "d": "4"},
    ):
        assert not found.labels_fit(labels)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["label"], "it must be key=value"),
        (["name=x"], "there is no such filter here"),
        (["until=1h", "until=2h"], "there is more than one until filter"),
        (["unused-for=soon"], "neither a span of time nor a date"),
    ],
)
def test_refusals(words: list[str], said: str) -> None:
    with pytest.raises(InvalidFilter, match=said):
        parse_filters(words, KNOWN, NOW)


def test_what_comes_from_the_future_is_not_old() -> None:
    found = parse_filters(["until=1h"], KNOWN, NOW)
    assert found.old_enough(NOW - 3600) and not found.old_enough(NOW - 3599)
    assert not found.old_enough(NOW + 1e9)
    assert not parse_filters(["until=1h"], KNOWN, 0.0).old_enough(NOW)
