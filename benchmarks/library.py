"""`python -m benchmarks.library`: containers from a warm Python process, beside subprocess and command lines.

Rounds alternate, so that a drift of the machine hits all alike. `--burst 200` starts so many at once from one
image, by threads and by processes, ends them, and looks for what they left: mounts, cgroups, processes,
directories, rows, descriptors.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cowl
from benchmarks.engines import BASE, Engine, available
from benchmarks.fixtures import base_tar

Act = Callable[[], object]

WORKER = """
import cowl, os, sys
with cowl.Engine(sys.argv[1]) as engine:
    sys.stdin.readline()
    boxes = [engine.start("base", ["sleep", "600"]) for _ in range(int(sys.argv[2]))]
    print(*(box.process().process.pid for box in boxes), flush=True)
    sys.stdin.readline()
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.library", description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=40)
    parser.add_argument("--peers", default="docker,podman", help="comma-separated; installed ones are used")
    parser.add_argument("--burst", type=int, default=0, help="containers to start at once (default: none)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cowl-bench-") as home:
        tar = base_tar(f"{home}/base.tar")
        with cowl.Engine(f"{home}/store") as engine, open(tar, "rb") as file:
            engine.import_image(file, "base")
        if args.burst:
            burst(home, args.burst)
        else:
            warm(home, tar, args.rounds, args.peers.split(","))


def warm(home: str, tar: str, rounds: int, wanted: list[str]) -> None:
    peers = available(home, wanted)
    try:
        for peer in peers:
            peer.import_base(tar)
        with cowl.Engine(f"{home}/store") as engine, engine.start("base", ["sleep", "600"]) as box:
            acts: dict[str, Act] = {
                "subprocess.run(['true'])": lambda: subprocess.run(["/bin/true"], capture_output=True),
                "engine.run(image, ['true'])": lambda: engine.run("base", ["true"]),
                "box.exec(['true'])": lambda: box.exec(["true"]),
                **{f"subprocess.run: {peer.name} run --rm": _command(peer) for peer in peers},
            }
            show(alternate(acts, rounds))
            forks(engine)
    finally:
        for peer in peers:
            peer.close()


def _command(peer: Engine) -> Act:
    words = peer.command("run", "--rm", "--network", "none", BASE, "true")
    env = {**os.environ, **peer.environ()}
    return lambda: subprocess.run(words, env=env, capture_output=True, check=True)


def alternate(acts: dict[str, Act], rounds: int) -> dict[str, list[float]]:
    """Milliseconds by what was done; the first five rounds are not counted."""
    took: dict[str, list[float]] = {name: [] for name in acts}
    for number in range(rounds + 5):
        for name, act in acts.items():
            begun = time.perf_counter()
            act()
            if number >= 5:
                took[name].append((time.perf_counter() - begun) * 1000)
    return took


def show(took: dict[str, list[float]]) -> None:
    ours = statistics.median(took["engine.run(image, ['true'])"])
    print("| what | median ms | min | max | engine.run/this |\n|---|---:|---:|---:|---:|")
    for name, times in took.items():
        median = statistics.median(times)
        print(f"| {name} | {median:.1f} | {min(times):.1f} | {max(times):.1f} | {ours / median:.2f} |")


def forks(engine: cowl.Engine, count: int = 100) -> None:
    """Forks of a prepared state, and their starts one after another."""
    with engine.start("base", ["sleep", "600"], remove=False) as box:
        box.exec(["sh", "-c", "for i in $(seq 1000); do echo $i > /$i; done"], check=True)
        prepared = box.snapshot()
    begun = time.perf_counter()
    made = prepared.fork(count)
    forked = time.perf_counter()
    for fork in made:
        with fork.start():
            pass
    print(f"\n{count} forks: {(forked - begun) * 1000:.0f} ms; each started and ended: "
          f"{(time.perf_counter() - forked) * 1000 / count:.1f} ms")  # fmt: skip


def burst(home: str, count: int) -> None:
    """By threads of one process, then by eight processes."""
    before = _mounts(), len(os.listdir("/proc/self/fd"))
    begun = time.perf_counter()
    with cowl.Engine(f"{home}/store") as engine, ThreadPoolExecutor(count) as pool:
        boxes = list(pool.map(lambda _: engine.start("base", ["sleep", "600"]), range(count)))
        print(f"{count} by threads: all run after {time.perf_counter() - begun:.2f} s")
        pids = [box.process().process.pid for box in boxes]
        groups = _groups(pids)
        begun = time.perf_counter()
        list(pool.map(lambda box: box.__exit__(None, None, None), boxes))
        print(f"ended and removed after {time.perf_counter() - begun:.2f} s")
    report(home, pids, groups, before)
    begun = time.perf_counter()
    words = [sys.executable, "-c", WORKER, f"{home}/store", str(count // 8)]
    workers = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    pids = [int(pid) for worker in workers for pid in (worker.stdout or sys.stdin).readline().split()]
    took = time.perf_counter() - begun
    print(f"{len(pids)} by 8 processes: all run after {took:.2f} s, interpreters included")
    groups = _groups(pids)
    begun = time.perf_counter()
    for worker in workers:
        worker.kill()
        worker.communicate()
    while any(_alive(pid) for pid in pids):
        time.sleep(0.005)
    print(f"all dead {time.perf_counter() - begun:.2f} s after their owners' SIGKILL")
    report(home, pids, groups, before)


def report(home: str, pids: list[int], groups: set[str], before: tuple[int, int]) -> None:
    with cowl.Engine(f"{home}/store") as engine:
        rows = len(engine.containers(all=True))
        problems = len(engine.store.check())
    places = [Path(home, "store", name) for name in ("containers", "trash", "staging")]
    found = {
        "processes": sum(map(_alive, pids)),
        "cgroups": sum(map(os.path.exists, groups)),
        "mounts": _mounts() - before[0],
        "descriptors": len(os.listdir("/proc/self/fd")) - before[1],
        "directories": sum(len(list(place.iterdir())) for place in places),
        "rows": rows,
        "problems": problems,
    }
    print("left: " + ", ".join(f"{number} {name}" for name, number in found.items()))


def _mounts() -> int:
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


def _groups(pids: list[int]) -> set[str]:
    """Directories of the cgroups that only these processes are in."""
    mine = set(Path("/proc/self/cgroup").read_text().splitlines())
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in set(Path(f"/proc/{pid}/cgroup").read_text().splitlines()) - mine:
                _, controllers, path = line.split(":", 2)
                found.add(f"/sys/fs/cgroup/{controllers.removeprefix('name=')}{path}")
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    main()
