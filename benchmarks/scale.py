"""Scale: how long a full store takes to look through: `python -m benchmarks.scale [SIZE ...]`.

Generates a store of each size (default: a quarter of 1,000 images over 3,000 layers and 1,000 containers,
that, and four times that), then runs every command as a whole process, all of them in turn, and prints the
median wall time and the peak memory of each beside the bounds, which hold for 1000/3000/1000.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time

from benchmarks.__main__ import write_json
from benchmarks.engines import Cowl
from benchmarks.generator import generate
from benchmarks.population import populate
from benchmarks.timing import Command, Series, alternate

SIZES = ("250/750/250", "1000/3000/1000", "4000/12000/4000")
BOUND_MS, BOUND_MIB = 150.0, 80
BOUND_SIZE = "1000/3000/1000"
FLOOR = "python -c pass"
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("images",),
    ("ps", "-a"),
    ("ps", "-as"),
    ("system", "df"),
    ("system", "prune", "-a", "--dry-run"),
    ("image", "prune", "--dry-run"),
    ("explain", "IMAGE"),
    ("history", "IMAGE"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__)
    parser.add_argument("size", nargs="*", default=SIZES, help=f"default: {' '.join(SIZES)}")
    parser.add_argument("-n", "--rounds", type=int, default=11, help="counted rounds (default 11)")
    parser.add_argument("--keep", metavar="DIRECTORY", help="generate there, measure nothing and keep it")
    parser.add_argument("--json", default="benchmarks/results/scale.json", help="where the figures go")
    args = parser.parse_args()
    if args.keep:
        for size in args.size:
            fill(os.path.join(args.keep, size.replace("/", "-")), size)
        return
    results: dict[str, list[Series]] = {}
    for size in args.size:
        with tempfile.TemporaryDirectory(prefix="cowl-scale-") as home:
            fill(os.path.join(home, "store"), size)
            results[size] = alternate(commands(home), args.rounds)
    print(table(results))
    write_json(args.json, results)
    sys.exit(bool(over(results)))


def fill(root: str, size: str) -> None:
    """Generates a store of a size such as "1000/3000/1000"."""
    images, layers, containers = map(int, size.split("/"))
    begin = time.monotonic()
    generate(root, populate(images, layers, containers))
    print(f"{size}: generated in {time.monotonic() - begin:.1f} s, {root}", file=sys.stderr, flush=True)


def commands(home: str) -> list[Command]:
    """What is measured on a store: a bare interpreter as the floor, then cowl's commands."""
    cowl = Cowl(home)
    image = cowl.sh("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "dangling=false").split()[0]
    return [
        Command(FLOOR, [sys.executable, "-c", "pass"]),
        *(
            Command(" ".join(words), cowl.command(*(image if word == "IMAGE" else word for word in words)))
            for words in COMMANDS
        ),
    ]


def table(results: dict[str, list[Series]]) -> str:
    """A Markdown table: a row for each command and size."""
    lines = [
        "| command | store | median ms | min | max | CPU | over the floor | peak MiB | bound |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    late = over(results)
    for number, first in enumerate(next(iter(results.values()))):
        for size, series in results.items():
            one, floor = series[number], series[0].median_ms
            bound = ("missed" if (size, one.engine) in late else "held") if size == BOUND_SIZE else ""
            times = f"{one.median_ms:.1f} | {min(one.wall_ms):.1f} | {max(one.wall_ms):.1f}"
            cpu = statistics.median(one.cpu_ms)
            rest = f"{cpu:.1f} | {one.median_ms - floor:.1f} | {one.peak_kib / 1024:.0f} | {bound}"
            lines.append(f"| {first.engine} | {size} | {times} | {rest} |")
    return "\n".join(lines)


def over(results: dict[str, list[Series]]) -> set[tuple[str, str]]:
    """(size, command) of what misses a bound."""
    return {
        (BOUND_SIZE, one.engine)
        for one in results.get(BOUND_SIZE, ())
        if one.median_ms > BOUND_MS or one.peak_kib / 1024 > BOUND_MIB
    }


if __name__ == "__main__":
    main()
