"""Turns: one at a time, across threads and processes, and never for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cowl.oci.digest import DiffId
from cowl.transfer.turn import Turn

LAYER = DiffId.of(b"layer")


class GivenUp(Exception):
    pass


def give_up() -> None:
    raise GivenUp


def test_a_second_one_waits_and_may_give_up(tmp_path: Path) -> None:
    with Turn(str(tmp_path), LAYER, give_up) as turn:
        with pytest.raises(GivenUp), Turn(str(tmp_path), LAYER, give_up):
            pass
        turn.release()
        with Turn(str(tmp_path), LAYER, give_up):
            turn.release()
            with pytest.raises(GivenUp), Turn(str(tmp_path), LAYER, give_up):
                pass


def test_another_layer_does_not_wait(tmp_path: Path) -> None:
    others = (DiffId.of(str(number).encode()) for number in range(100))
    other = next(digest for digest in others if digest.hex[:2] != LAYER.hex[:2])
    with Turn(str(tmp_path), LAYER, give_up), Turn(str(tmp_path), other, give_up):
        pass


def test_a_process_that_dies_lets_go(tmp_path: Path) -> None:
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with Turn(str(tmp_path), LAYER, give_up):
                os.write(tell, b"x")
                os._exit(0)
        finally:
            os._exit(1)
    os.read(ready, 1)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(tell)
    with Turn(str(tmp_path), LAYER, give_up):
        pass


def test_the_file_stays(tmp_path: Path) -> None:
    with Turn(str(tmp_path), LAYER, give_up):
        pass
    assert os.listdir(tmp_path) == [f"pull-{LAYER.hex[:2]}.lock"]
