"""Times in the config: always those of layers, so that a cached build gives the same image ID."""

from __future__ import annotations

import pytest

from cowl.build.assemble import finished, rfc3339
from cowl.build.history import told
from cowl.build.state import State, begin
from cowl.oci.digest import DiffId
from cowl.oci.image_config import History, ImageConfig
from cowl.store.layers import Layer

OLD = "2020-01-01T00:00:00Z"


def layer(number: int) -> Layer:
    return Layer(f"{number:064}", DiffId("sha256:" + f"{number:064}"), "", 0, 0, 0, 0, 0, 1000.0 + number)


def base() -> State:
    config = ImageConfig(
        "amd64", created=OLD, history=(History(OLD, "base"), History("", "odd", empty_layer=True))
    )
    return begin(config, (layer(0),))


def stacked(state: State, *steps: int) -> State:
    """A config entry for each 0, a layer for each other number."""
    for number in steps:
        if number:
            state = state.replace(layers=(*state.layers, layer(number)))
        state = told(state, f"step {number}", layer=bool(number))
    return state


@pytest.mark.parametrize(
    ("steps", "times"),
    [
        ((1,), (1,)),
        ((0, 1, 0), (1, 1, 1)),
        ((1, 0, 2, 0), (1, 1, 2, 2)),
        ((0, 0), (500, 500)),
        ((2, 1), (2, 1)),
    ],
)
def test_entries_have_the_time_of_the_layer_below_them(
    steps: tuple[int, ...], times: tuple[int, ...]
) -> None:
    config = finished(stacked(base(), *steps), lambda: 1500.0)
    assert [entry.created for entry in config.history[2:]] == [rfc3339(1000.0 + each) for each in times]
    assert [entry.created for entry in config.history[:2]] == [OLD, ""]
    assert config.created == rfc3339(1000.0 + times[-1])
    assert len(config.diff_ids) == 1 + sum(bool(step) for step in steps)


def test_a_build_of_from_alone_is_the_base() -> None:
    assert finished(base(), lambda: 1500.0).created == OLD


def test_rfc3339() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(1714979229.123456) == "2024-05-06T07:07:09.123456Z"
    assert rfc3339(0.9999999) == "1970-01-01T00:00:01.000000Z"
