"""The umask of a checkout: taken back where all of it bears the marks, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cowl.build.context import Context
from cowl.build.umask import USUAL, umask_of

GIT = {"a": 0o666, "run": 0o777, "d": 0o777, "d/b": 0o666}  # what git asks for, before the umask


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o007, 0o022, 0o027, 0o077])
def test_every_checkout_looks_the_same(umask: int) -> None:
    modes = [mode & ~umask for mode in (0o777, *GIT.values())]
    found = umask_of(modes)
    assert [found.undone(mode) for mode in modes] == [mode & ~0o022 for mode in (0o777, *GIT.values())]
    assert (found == USUAL) == (umask == 0o022)


def test_the_first_file_decides_as_a_rule() -> None:
    def modes() -> object:
        yield 0o755
        raise AssertionError("read on")

    assert umask_of(modes()) == USUAL  # type: ignore[arg-type]
    assert umask_of(()) == USUAL


@pytest.mark.parametrize("odd", [0o600, 0o400, 0o664, 0o666, 0o777, 0o700, 0o4755, 0o1777])
def test_an_odd_file_was_meant_so(odd: int) -> None:
    found = umask_of([0o755, 0o644, odd])
    assert found.undone(odd) == odd


def test_special_bits_stay() -> None:
    found = umask_of([0o700, 0o600])
    assert found.undone(0o4700) == 0o4700
    assert found.undone(0o400) == 0o444


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_in_a_context(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        root = tmp_path / "context"
        (root / "d").mkdir(parents=True)
        (root / "d" / "b").write_text("b")
        (root / "a").write_text("a")
        (root / "run").write_text("r")
        (root / "run").chmod(0o777 & ~umask)
        (root / "link").symlink_to("a")
        (root / ".git").mkdir()
        (root / ".git" / "odd").write_text("")
        (root / ".git" / "odd").chmod(0o666)
    finally:
        os.umask(before)
    with Context(str(root)) as context:
        from cowl.dockerfile.ignore import parse_ignore

        context.ignore = parse_ignore(".git\n")
        assert {entry.path: oct(entry.mode) for entry in context.walk("") if entry.kind != "symlink"} == {
            "": "0o755",
            "a": "0o644",
            "d": "0o755",
            "d/b": "0o644",
            "run": "0o755",
        }
        found = context.find("a")
        assert found is not None and found.mode == 0o644
