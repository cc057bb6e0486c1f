"""Turns: one at a time, across threads and processes, and never for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cowl.oci.digest import DiffId
from cowl.store.turn import Turn

LAYER = DiffId.of(b"layer")


class GivenUp(Exception):
    pass


def give_up() -> None:
    raise GivenUp


def test_a_second_one_waits_and_may_give_up(tmp_path: Path) -> None:
    with Turn(str(tmp_path), "pull", LAYER.hex, give_up) as turn:
        with pytest.raises(GivenUp), Turn(str(tmp_path), "pull", LAYER.hex, give_up):
            pass
        turn.release()
        with Turn(str(tmp_path), "pull", LAYER.hex, give_up):
            turn.release()
            with pytest.raises(GivenUp), Turn(str(tmp_path), "pull", LAYER.hex, give_up):
                pass


def test_nothing_else_waits(tmp_path: Path) -> None:
    near = LAYER.hex[:13] + format(int(LAYER.hex[13:15], 16) ^ 1, "02x") + LAYER.hex[15:]
    last = "f" * 64
    with (
        Turn(str(tmp_path), "pull", LAYER.hex, give_up),
        Turn(str(tmp_path), "pull", near, give_up),
        Turn(str(tmp_path), "pull", last, give_up),
        Turn(str(tmp_path), "step", LAYER.hex, give_up),
        pytest.raises(GivenUp),
        Turn(str(tmp_path), "pull", last, give_up),
    ):
        pass


def test_who_must_wait_says_so_once(tmp_path: Path) -> None:
    said = []
    with Turn(str(tmp_path), "step", LAYER.hex, give_up, lambda: said.append("no")) as turn:
        seen = iter([None, None, turn.release])
        with Turn(
            str(tmp_path), "step", LAYER.hex, lambda: (next(seen) or bool)(), lambda: said.append("waits")
        ):
            pass
    assert said == ["waits"]


def test_a_process_that_dies_lets_go(tmp_path: Path) -> None:
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with Turn(str(tmp_path), "pull", LAYER.hex, give_up):
                os.write(tell, b"x")
                os._exit(0)
        finally:
            os._exit(1)
    os.read(ready, 1)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(tell)
    with Turn(str(tmp_path), "pull", LAYER.hex, give_up):
        pass


def test_a_child_with_a_copy_does_not_keep_it(tmp_path: Path) -> None:
    ready, tell = os.pipe()
    with Turn(str(tmp_path), "pull", LAYER.hex, give_up) as turn:
        child = os.fork()
        if child == 0:
            os.close(tell)
            os.read(ready, 1)
            os._exit(0)
        turn.release()
        with Turn(str(tmp_path), "pull", LAYER.hex, give_up):
            pass
    os.close(tell)
    os.close(ready)
    os.waitpid(child, 0)


def test_the_file_stays(tmp_path: Path) -> None:
    with Turn(str(tmp_path), "pull", LAYER.hex, give_up):
        pass
    assert os.listdir(tmp_path) == ["pull.lock"]
    assert os.stat(tmp_path / "pull.lock").st_size == 0
