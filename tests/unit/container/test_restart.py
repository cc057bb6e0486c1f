"""Restart policies: which ends are followed by a start, and after how long."""

from __future__ import annotations

import pytest

from cowl.container.restart import RestartPolicy, next_delay, parse_policy
from cowl.container.words import InvalidOptions


@pytest.mark.parametrize(
    ("text", "code", "restarts", "again"),
    [
        ("no", 1, 0, False),
        ("", 1, 0, False),
        ("always", 0, 99, True),
        ("unless-stopped", 1, 99, True),
        ("on-failure", 0, 0, False),
        ("on-failure", 1, 99, True),
        ("on-failure:2", 1, 1, True),
        ("on-failure:2", 1, 2, False),
        ("on-failure:0", 1, 99, True),
    ],
)
def test_what_is_started_again(text: str, code: int, restarts: int, again: bool) -> None:
    assert parse_policy(text).wants(code, restarts) is again


@pytest.mark.parametrize("text", ["often", "always:3", "on-failure:x", "on-failure:-1", "on-failure:", ":3"])
def test_policies_that_are_none(text: str) -> None:
    with pytest.raises(InvalidOptions, match="invalid restart policy"):
        parse_policy(text)


def test_the_wait_doubles_up_to_a_minute_and_begins_anew_after_a_long_run() -> None:
    waits = [next_delay(0, 0.5)]
    for _ in range(11):
        waits.append(next_delay(waits[-1], 0.5))
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-2:] == [60.0, 60.0]
    assert next_delay(60.0, 10.0) == 0.1
    assert parse_policy("on-failure:3") == RestartPolicy("on-failure", 3)
