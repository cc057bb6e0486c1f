"""`python -m benchmarks.copies`: what snapshots, forks, restores and commits take in a warm process.

The state is one of many small files, written by a container that ran. Medians of several rounds, in ms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cowl
from benchmarks.fixtures import base_tar

Timed = Callable[[str, Callable[[], object]], None]

SCRIPT = "for i in $(seq {files}); do echo $i > /$i; done"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.copies", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="of the state (default 10,000)")
    parser.add_argument("--forks", type=int, default=100, help="at a time (default 100)")
    parser.add_argument("-n", "--rounds", type=int, default=5)
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="cowl-bench-") as home,
        cowl.Engine(Path(home, "store")) as engine,
    ):
        with open(base_tar(f"{home}/base.tar"), "rb") as tar:
            engine.import_image(tar, "base")
        for what, took in measured(engine, args.files, args.forks, args.rounds).items():
            print(f"{what:44} {statistics.median(took):8.1f}   ({min(took):.1f} to {max(took):.1f})")


def measured(engine: cowl.Engine, files: int, forks: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds by what was done."""
    found: dict[str, list[float]] = {}

    def timed(what: str, act: Callable[[], object]) -> None:
        begun = time.perf_counter()
        act()
        found.setdefault(what, []).append((time.perf_counter() - begun) * 1000)

    for number in range(rounds):
        print(f"round {number + 1} ...", file=sys.stderr, flush=True)
        _round(engine, files, forks, f"s{number}", timed)
    return found


def _round(engine: cowl.Engine, files: int, forks: int, name: str, timed: Timed) -> None:
    box = ended(engine, files)
    timed(f"commit of a stopped container, {files} files", lambda: box.commit("made"))
    timed(f"snapshot of a stopped container, {files} files", lambda: box.snapshot(name))
    taken = engine.snapshot(name)
    timed(f"{forks} forks of a snapshot", lambda: taken.fork(forks))
    os.mkdir(f"{box.record.upper}/more")
    timed(f"{forks} forks of a container", lambda: box.fork(forks))
    timed("restore", lambda: box.restore(taken))
    timed(f"promote, {files} files hashed", lambda: taken.promote("promoted"))
    with engine.start("base", ["sh", "-c", f"{SCRIPT.format(files=files)}; sleep inf"]) as live:
        while not Path(live.record.upper, str(files)).exists():
            time.sleep(0.05)
        timed(f"snapshot of a running container, {files} files", live.snapshot)


def ended(engine: cowl.Engine, files: int) -> cowl.Container:
    """A container that wrote so many files and ended."""
    with engine.start("base", ["sh", "-c", SCRIPT.format(files=files)], remove=False) as box:
        assert box.wait() == 0
    return engine.container(box.id)


if __name__ == "__main__":
    main()
