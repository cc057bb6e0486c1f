"""The epoch of a build: which time, said how; and what it does to keys."""

from __future__ import annotations

from typing import Any

import pytest

from cowl.build.assemble import rfc3339_whole
from cowl.build.epoch import BadEpoch, epoch_of
from cowl.build.request import BuildRequest


def request(text: str | None = None, **more: Any) -> BuildRequest:
    args = () if text is None else (("SOURCE_DATE_EPOCH", text),)
    return BuildRequest("/c", build_args=args, **more)


def test_where_it_comes_from() -> None:
    assert epoch_of(request()) is None
    assert epoch_of(request("")) is None  # as BuildKit: empty takes it back
    assert epoch_of(request("0")) == 0
    assert epoch_of(request("1700000000")) == 1700000000
    assert epoch_of(request(timestamp=5)) == 5
    assert epoch_of(request("5", timestamp=5)) == 5


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "١", "1e9", "9" * 12, "9" * 100_000, " 1"])
def test_no_time(text: str) -> None:
    with pytest.raises(BadEpoch, match="is no time") as caught:
        epoch_of(request(text))
    assert len(str(caught.value)) < 100
    with pytest.raises(BadEpoch):
        epoch_of(request(timestamp=-1))


def test_two_times() -> None:
    with pytest.raises(BadEpoch, match="the timestamp is 6"):
        epoch_of(request("5", timestamp=6))


def test_how_it_is_written() -> None:
    assert rfc3339_whole(0) == "1970-01-01T00:00:00Z"
    assert rfc3339_whole(1700000000) == "2023-11-14T22:13:20Z"
