"""--since and --until."""

from __future__ import annotations

import pytest

from cowl.cli.moments import InvalidMoment, parse

NOW = 1_700_000_000 * 10**9


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("42m", NOW - 42 * 60 * 10**9),
        ("1h30m", NOW - 5400 * 10**9),
        ("1.5s", NOW - 1_500_000_000),
        ("-10s", NOW + 10 * 10**9),
        ("1136073845", 1136073845 * 10**9),
        ("1136073845.000000001", 1136073845 * 10**9 + 1),
        ("2013-01-02T13:23:37Z", 1357133017 * 10**9),
        ("2013-01-02T13:23:37.5+01:00", 1357129417 * 10**9 + 500_000_000),
    ],
)
def test_what_is_a_moment(text: str, moment: int | None) -> None:
    assert parse("since", text, NOW) == moment


@pytest.mark.parametrize("text", ["yesterday", "5x", "1.2.3s", "2013-13-01", "-", "+", "m"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidMoment, match="since"):
        parse("since", text, NOW)
