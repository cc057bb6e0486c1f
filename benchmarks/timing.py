"""Alternating runs: every command once a round, in turn, so that a drift of the machine hits all alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Command:
    """One thing to time: `argv` is run as a whole process; `before` and `after` are not timed."""

    engine: str
    argv: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None


@dataclass
class Series:
    """The wall times in milliseconds of one command, and its peak memory in KiB."""

    engine: str
    wall_ms: list[float] = field(default_factory=list)
    peak_kib: int = 0

    @property
    def median_ms(self) -> float:
        return statistics.median(self.wall_ms)


def alternate(commands: Sequence[Command], rounds: int, warmups: int = 1) -> list[Series]:
    """`warmups` rounds for the memory and `rounds` for the times. A command that fails ends the benchmark."""
    series = [Series(command.engine) for command in commands]
    for number in range(warmups + rounds):
        for command, into in zip(commands, series, strict=True):
            if number < warmups:
                into.peak_kib = max(into.peak_kib, _once(command, _APART)[1])
            else:
                into.wall_ms.append(_once(command)[0])
    return series


# A process counts the memory of the one that forked it, getrusage(2), and this one is large.
_APART = ("/bin/sh", "-c", '"$@"; exit $?', "sh")


def _once(command: Command, within: Sequence[str] = ()) -> tuple[float, int]:
    """Wall time in milliseconds, peak memory in KiB."""
    if command.before:
        command.before()
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*within, *command.argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **command.env},
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = (time.perf_counter() - begin) * 1000
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(
            f"{' '.join(command.argv)}: exit {process.returncode}\n{said.decode(errors='replace')}"
        )
    if command.after:
        command.after()
    return wall, usage.ru_maxrss
