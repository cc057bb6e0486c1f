"""Alternating runs: every command once a round, in turn, so that a drift of the machine hits all alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
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
    """The wall times in milliseconds of one command, what it computed of that, and its peak memory in KiB."""

    engine: str
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
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
                into.peak_kib = max(into.peak_kib, _peak_kib(command))
            else:
                wall, cpu = _once(command)
                into.wall_ms.append(wall)
                into.cpu_ms.append(cpu)
    return series


# A process counts the memory of the one that started it, getrusage(2): a small one does, for this is large.
_APART = """
import os, sys
null = os.open("/dev/null", os.O_WRONLY)
actions = [(os.POSIX_SPAWN_DUP2, null, 1)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


def _peak_kib(command: Command) -> int:
    """Peak memory in KiB; no less than that of a bare interpreter, which starts it."""
    if command.before:
        command.before()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _APART, *command.argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, **command.env},
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command.argv)}:\n{done.stderr.decode(errors='replace')}")
    if command.after:
        command.after()
    return int(done.stdout)


def _once(command: Command) -> tuple[float, float]:
    """Wall time and processor time in milliseconds."""
    if command.before:
        command.before()
    begin = time.perf_counter()
    process = subprocess.Popen(
        command.argv,
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
    return wall, (usage.ru_utime + usage.ru_stime) * 1000
