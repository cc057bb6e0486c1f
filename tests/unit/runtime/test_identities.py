"""Believed ids change as the kernel changes real ones; the kernel is asked."""

from __future__ import annotations

import itertools
import json
import os

import pytest

from cowl.runtime.identities import KEEP, Identities, Identity, Ids

NUMBERS = (KEEP, 0, 5, 6)
START = ((0, 0, 0), (5, 5, 5), (5, 6, 0), (0, 5, 6), (6, 0, 5))


def wanted_sets() -> list[tuple[int, ...]]:
    ones = [(number,) for number in NUMBERS if number != KEEP]
    return [*ones, *itertools.product(NUMBERS, repeat=2), *itertools.product(NUMBERS, repeat=3)]


def kernel_says(start: tuple[int, int, int], wanted: tuple[int, ...]) -> list[int]:
    """The real thing, in a child: the ids afterwards, or [] for EPERM."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(*start)
            numbers = [-1 if number == KEEP else number for number in wanted]
            result: list[int] = []
            try:
                (os.setuid, os.setreuid, os.setresuid)[len(wanted) - 1](*numbers)
                result = list(os.getresuid())
            except PermissionError:
                pass
            os.write(writer, json.dumps(result).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as answer:
        found: list[int] = json.loads(answer.read())
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change ids to compare with")
@pytest.mark.parametrize("start", START)
def test_ids_change_as_in_the_kernel(start: tuple[int, int, int]) -> None:
    for wanted in wanted_sets():
        try:
            changed = Ids(*start).changed(wanted, privileged=start[1] == 0)
            believed = [changed.real, changed.effective, changed.saved]
        except PermissionError:
            believed = []
        assert believed == kernel_says(start, wanted), (start, wanted)


@pytest.fixture
def identities() -> Identities:
    return Identities(os.open("/proc", os.O_PATH | os.O_DIRECTORY))


def identity(number: int) -> Identity:
    return Identity(Ids(number, number, number), Ids(number, number, number), ())


def test_nobody_is_believed_to_be_anything_at_first(identities: Identities) -> None:
    assert not identities
    assert identities.find(os.getpid()) is None
    assert identities.find(2**22 + 1) is None


def test_a_process_that_has_ended_is_no_error(identities: Identities) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    identities.change(os.getpid(), identity(5))
    os.waitpid(pid, 0)
    assert identities.find(pid) is None
    with pytest.raises(OSError):
        identities.change(pid, identity(6))


def test_the_dead_are_forgotten(identities: Identities) -> None:
    for number in range(1100):
        pid = os.fork()
        if pid == 0:
            os.read(os.pipe()[0], 1)
        identities.change(pid, identity(number))
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert len(identities._known) < 1100
