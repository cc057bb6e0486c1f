"""Names of signals."""

from __future__ import annotations

import signal

import pytest

from cowl.container.signals import signal_number
from cowl.container.words import InvalidOptions


@pytest.mark.parametrize("same", [15, "15", "TERM", "SIGTERM", "sigterm", "term"])
def test_a_signal_has_many_names(same: int | str) -> None:
    assert signal_number(same) == signal.SIGTERM


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("SIGRTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),  # systemd's, as STOPSIGNAL of many images
        ("RTMIN+0", signal.SIGRTMIN),
        ("RTMAX-1", signal.SIGRTMAX - 1),
        ("64", 64),
    ],
)
def test_real_time_signals(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize(
    "wrong",
    [0, -1, 65, "0", "-9", "65", "", "SIG", "NOPE", "²", "RTMIN+", "RTMIN+99", "RTMAX-99", "RTMIN-1", "_DFL"],
)
def test_what_is_no_signal(wrong: int | str) -> None:
    with pytest.raises(InvalidOptions, match="invalid signal"):
        signal_number(wrong)
