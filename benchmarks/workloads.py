"""The workloads: what is timed, for each engine that can do it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks import parsing
from benchmarks.engines import BASE, Cowl, Engine
from benchmarks.fixtures import base_tar, large_context, seed_context, stages_context
from benchmarks.timing import Command

Workload = Callable[[Sequence[Engine], str], list[Command]]


def prepare(engines: Sequence[Engine], home: str) -> None:
    """The base image and one warm build in every engine."""
    tar = base_tar(os.path.join(home, "base.tar"))
    for engine in engines:
        engine.import_base(tar)
        engine.sh(*engine.build(_context(engine, home))[len(engine.command()) :])


def run_true(engines: Sequence[Engine], _home: str) -> list[Command]:
    """A warm container: run --rm IMAGE true."""
    return [_of(engine, "run", "--rm", "--network", "none", BASE, "true") for engine in engines]


def run_detached(engines: Sequence[Engine], _home: str) -> list[Command]:
    """A container in the background: run -d, until its ID is printed and its command executed."""
    words = ("run", "-d", "--rm", "--network", "none", BASE, "sleep", "1")
    return [_of(engine, *words) for engine in engines]


def exec_true(engines: Sequence[Engine], _home: str) -> list[Command]:
    """exec in a running container."""
    commands = []
    for engine in engines:
        engine.keep_running("bench", BASE)
        commands.append(_of(engine, "exec", "bench", "true"))
    return commands


def build_cold(engines: Sequence[Engine], home: str) -> list[Command]:
    """The seed's build without any cached step."""
    commands = []
    for engine in engines:
        command = Command(engine.name, engine.build(_context(engine, home)), dict(engine.environ()))
        command.before = engine.drop_cache
        commands.append(command)
    return commands


def build_cached(engines: Sequence[Engine], home: str) -> list[Command]:
    """The seed's build with every step cached."""
    return [
        Command(engine.name, engine.build(_context(engine, home)), dict(engine.environ()))
        for engine in engines
    ]


def build_stages(engines: Sequence[Engine], home: str) -> list[Command]:
    """Two stages that sleep a second each, without any cached step: one second is what it takes at best."""
    context = stages_context(os.path.join(home, "stages"), BASE)
    commands = []
    for engine in engines:
        command = Command(engine.name, engine.build(context), dict(engine.environ()))
        command.before = engine.drop_cache
        commands.append(command)
    return commands


def build_files_cached(engines: Sequence[Engine], home: str) -> list[Command]:
    """A context of 2,000 files, unchanged."""
    return _of_files(engines, home, None)


def build_files_changed(engines: Sequence[Engine], home: str) -> list[Command]:
    """The same with one file changed since the last build."""
    return _of_files(engines, home, "files/d7/f7")


def _of_files(engines: Sequence[Engine], home: str, changed: str | None) -> list[Command]:
    commands = []
    for engine in engines:
        context = large_context(os.path.join(home, f"files-{engine.name}"), BASE)
        command = Command(engine.name, engine.build(context), dict(engine.environ()))
        if changed is not None:
            command.before = partial(_change, os.path.join(context, changed))
        commands.append(command)
    return commands


def _change(path: str) -> None:
    with open(path, "wb") as out:
        out.write(os.urandom(3000))


def import_tar(engines: Sequence[Engine], home: str) -> list[Command]:
    """import of a 2 MB root file system."""
    tar = os.path.join(home, "base.tar")
    return [_of(engine, "import", tar, "imported") for engine in engines]


def system_df(engines: Sequence[Engine], _home: str) -> list[Command]:
    """system df."""
    return [_of(engine, "system", "df") for engine in engines]


def version(engines: Sequence[Engine], _home: str) -> list[Command]:
    """--version, beside a bare interpreter."""
    bare = [Command("python -c pass", [sys.executable, "-c", "pass"])]
    return bare + [_of(engine, "--version") for engine in engines if isinstance(engine, Cowl)]


def parse(_engines: Sequence[Engine], home: str) -> list[Command]:
    """A Dockerfile of 100,000 lines, read by a whole process, beside a bare interpreter."""
    return [
        Command("python -c pass", [sys.executable, "-c", "pass"]),
        Command(f"cowl, {parsing.LINES} lines", [sys.executable, "-c", parsing.PARSE, parsing.write(home)]),
    ]


WORKLOADS: dict[str, Workload] = {
    "version": version,
    "run": run_true,
    "run-detached": run_detached,
    "exec": exec_true,
    "build-cold": build_cold,
    "build-cached": build_cached,
    "build-stages": build_stages,
    "build-files-cached": build_files_cached,
    "build-files-changed": build_files_changed,
    "import": import_tar,
    "system-df": system_df,
    "parse": parse,
}


def _of(engine: Engine, *words: str) -> Command:
    return Command(engine.name, engine.command(*words), dict(engine.environ()))


def _context(engine: Engine, home: str) -> str:
    kind = "verbatim" if engine.verbatim else "plain"
    return seed_context(os.path.join(home, f"seed-{kind}"), engine.verbatim)
