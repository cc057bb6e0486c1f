"""build."""

from __future__ import annotations

import os
import sys

from cowl import Invalid
from cowl.cli.build_results import Results
from cowl.cli.interrupts import end_cleanly
from cowl.cli.pairs import pairs
from cowl.cli.run_flags import run_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl.cli.call import Call


class BothFromStdin(Invalid):
    """The context and the Dockerfile can't both come from standard input."""

    def __init__(self) -> None:
        super().__init__(
            "invalid argument: can't use stdin for both build context and dockerfile",
            hint="a tar on standard input brings its own Dockerfile",
        )


def build(call: Call) -> int:
    """`cowl build`: progress on standard error; with -q the image's ID on standard output."""
    from cowl.cli.progress import build_progress

    end_cleanly()
    if call.given("check") or call.given("call"):
        from cowl.cli.check_build import check_format

        form = check_format(call.text("call"), call.on("check"))
        if form:
            return _check(call, form)
    context, dockerfile = _sources(call)
    network = call.text("network")
    quiet = call.on("quiet")
    results = Results(call)
    chosen = build_progress(call.text("progress"), quiet=quiet, explain=call.on("explain"))
    with chosen as progress, call.engine(results.hearing(progress)) as engine:
        image = engine.build(
            context,
            dockerfile=dockerfile,
            tags=call.many("tag"),
            build_args=_build_args(call.many("build-arg")),
            build_contexts=pairs(call.many("build-context")),
            jobs=call.number("jobs"),
            labels=pairs(call.many("label")),
            squash=call.on("squash"),
            squash_from=call.number("squash-from"),
            target=call.text("target"),
            timestamp=_timestamp(call.text("timestamp")),
            explain=call.on("explain"),
            no_cache=call.on("no-cache"),
            no_cache_filter=call.many("no-cache-filter"),
            pull=call.on("pull"),
            platform=call.text("platform"),
            network="host" if network == "default" else network,
            **results.options,
            **run_options(call),
        )
    results.write(image.id)
    if quiet and not results.own_stdout:
        print(image.id)
    return 0


def _check(call: Call, form: str) -> int:
    """`cowl build --check`: nothing is built."""
    from cowl.cli.check_build import show

    context, dockerfile = _sources(call)
    with call.engine() as engine:
        findings = engine.check_dockerfile(
            context,
            dockerfile=dockerfile,
            build_args=_build_args(call.many("build-arg")),
            build_contexts=pairs(call.many("build-context")),
            platform=call.text("platform"),
            target=call.text("target"),
        )
    return show(findings, form)


def _sources(call: Call) -> tuple[str | BinaryIO, str | BinaryIO | None]:
    """The context and the Dockerfile, as `Engine.build` takes them. Raises BothFromStdin, OSError."""
    context, dockerfile = call.words[0], call.text("file")
    if context == dockerfile == "-":
        raise BothFromStdin()
    if context == "-":
        return sys.stdin.buffer, dockerfile or None
    here = os.path.exists(context)
    remote = not here and (":" in context or context.startswith("github.com/"))
    if not here and not remote:
        raise FileNotFoundError(2, "the build context does not exist", context)
    if here and not os.path.isdir(context):
        raise NotADirectoryError(20, "the build context is not a directory", context)
    if dockerfile == "-":
        return context, sys.stdin.buffer
    if remote or not dockerfile:
        return context, dockerfile or None
    return context, os.path.abspath(dockerfile)


def _build_args(words: tuple[str, ...]) -> dict[str, str | None]:
    """ "KEY=value", or "KEY" for the value that this process's environment has, if it has one.

    SOURCE_DATE_EPOCH need not be named: as with buildx the environment's holds.
    """
    found: dict[str, str | None] = {}
    if os.environ.get("SOURCE_DATE_EPOCH"):
        found["SOURCE_DATE_EPOCH"] = os.environ["SOURCE_DATE_EPOCH"]
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            found[key] = value
        elif key in os.environ:
            found[key] = os.environ[key]
    return found


def _timestamp(text: str) -> int | None:
    if text and not (text.isascii() and text.isdecimal()):
        raise Invalid(f"--timestamp takes seconds since 1970-01-01, not {text!r}")
    return int(text[:20]) if text else None
