"""`python -m benchmarks [WORKLOAD ...]`: medians and ratios beside docker and podman, as a table and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time

from benchmarks.engines import available
from benchmarks.timing import Series, alternate
from benchmarks.workloads import WORKLOADS, prepare


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "workload", nargs="*", help=f"of {', '.join(WORKLOADS)}; all of them when none is named"
    )
    parser.add_argument("-n", "--rounds", type=int, default=11, help="counted rounds (default 11)")
    parser.add_argument("--peers", default="docker,podman", help="comma-separated; installed ones are used")
    parser.add_argument("--json", default="benchmarks/results/latest.json", help="where the figures go")
    args = parser.parse_args()
    unknown = set(args.workload) - set(WORKLOADS)
    if unknown:
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="cowl-bench-") as home:
        engines = available(home, args.peers.split(","))
        try:
            prepare(engines, home)
            results = {}
            for name in args.workload or WORKLOADS:
                print(f"{name} ...", file=sys.stderr, flush=True)
                results[name] = alternate(WORKLOADS[name](engines, home), args.rounds)
        finally:
            for engine in engines:
                engine.close()
    print(table(results))
    write_json(args.json, results)


def table(results: dict[str, list[Series]]) -> str:
    """A Markdown table: medians (min to max) in ms, and the ratio of the first series to each other one."""
    lines = [
        "| workload | engine | median ms | min | max | first/this | peak MiB |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, series in results.items():
        first = series[0].median_ms
        for one in series:
            ratio = f"{first / one.median_ms:.2f}"
            figures = f"{one.median_ms:.1f} | {min(one.wall_ms):.1f} | {max(one.wall_ms):.1f}"
            lines.append(f"| {name} | {one.engine} | {figures} | {ratio} | {one.peak_kib / 1024:.0f} |")
    return "\n".join(lines)


def write_json(path: str, results: dict[str, list[Series]]) -> None:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    machine = {"kernel": platform.release(), "python": platform.python_version(), "cpus": os.cpu_count()}
    figures = {name: {one.engine: one.wall_ms for one in series} for name, series in results.items()}
    with open(path, "w") as out:
        json.dump({"at": int(time.time()), "machine": machine, "wall_ms": figures}, out, indent=1)


if __name__ == "__main__":
    main()
