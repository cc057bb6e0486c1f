"""The entry point of cowl-runtime: finds the command, says what failed on stderr and in the log."""

from __future__ import annotations

import os
import sys

from cowl import CowlError
from cowl.oci_cli.table import COMMANDS, GLOBAL, NOT_THERE
from cowl.oci_cli.words import Parsed, UsageError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

SPEC = "1.2.0"


def main() -> NoReturn:
    """Runs the command line in sys.argv and ends the process."""
    status = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass
    os._exit(status)


def run(words: Sequence[str]) -> int:
    """One command line; its exit status."""
    top = Parsed({"log": "", "log-format": "", "debug": False}, ())
    try:
        top = parse(GLOBAL, words)
        return _dispatch(top)
    except CowlError as error:
        _tell(top, error.message)
        if error.hint:
            print(error.hint, file=sys.stderr)
        return getattr(error, "exit_status", 1)
    except OSError as error:
        _tell(top, f"{error.filename or ''}: {error.strerror}".lstrip(": "))
        return 1


def _dispatch(top: Parsed) -> int:
    if top.on("version"):
        from cowl import __version__

        print(f"cowl-runtime version {__version__}\nspec: {SPEC}")
        return 0
    if top.on("help") or not top.words or top.words[0] == "help":
        return _help()
    name, *rest = top.words
    if name in NOT_THERE:
        raise UsageError(f"{name} is not supported: {NOT_THERE[name]}")
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}", hint="cowl-runtime --help lists the commands")
    if "--help" in rest[:1] or "-h" in rest[:1]:
        print(f"usage: cowl-runtime {COMMANDS[name].usage}")
        return 0
    if top.text("cgroup-manager") not in ("", "cgroupfs", "disabled"):
        raise UsageError(f"--cgroup-manager {top.text('cgroup-manager')} is not supported")
    # As "true" says: who may make no cgroups has none, unless a limit asks for one.
    if (rootless := top.text("rootless")) not in ("", "auto", "true"):
        raise UsageError(f"--rootless={rootless} is not supported: what the caller may do is found out")
    from cowl.oci_cli import commands

    return commands.call(name, parse(COMMANDS[name], rest), top.text("root") or _default_root())


def _default_root() -> str:
    """Where states lie, by the user's rights."""
    if os.geteuid() == 0:
        return "/run/cowl-runtime"
    return os.path.join(
        os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/cowl-runtime-{os.geteuid()}", "cowl-runtime"
    )


def _help() -> int:
    print(f"usage: {GLOBAL.usage}\n\nAn OCI runtime (runtime-spec {SPEC}).\n")
    for command in COMMANDS.values():
        print(f"  {command.name:9} {command.about}")
    return 0


def _tell(top: Parsed, message: str) -> None:
    print(f"cowl-runtime: {message}", file=sys.stderr)
    path = top.text("log")
    if not path:
        return
    import json
    import time

    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if top.text("log-format") == "json":
        line = json.dumps({"level": "error", "msg": message, "time": moment})
    else:
        line = f"time={json.dumps(moment)} level=error msg={json.dumps(message)}"
    try:
        with open(path, "a") as log:
            log.write(line + "\n")
    except OSError as error:
        print(f"cowl-runtime: {path}: {error.strerror}", file=sys.stderr)
