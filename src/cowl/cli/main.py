"""The entry point: finds the command, imports only its module, maps failures to exit codes once.

`cowl --version` imports next to nothing, and every command only what it uses.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from cowl.cli.call import Call
    from cowl.cli.grammar import Command

# Python's 700 has it collect a hundred times while modules are imported and rows are read, which are not
# garbage: to go through what a store of a thousand images takes costs 20 to 30 ms.
COLLECTION_THRESHOLD = 200_000


def main() -> NoReturn:
    """Runs the command line in sys.argv and ends the process.

    At once: everything is flushed and closed by then, and to take the interpreter down in order costs
    5 to 10 ms, a tenth of a `cowl run`.
    """
    gc.set_threshold(COLLECTION_THRESHOLD)
    try:
        status = run(sys.argv[1:])
        _flush()
    except KeyboardInterrupt:  # one more, while the first was seen to: the next command tidies up
        status = 130
    os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # nobody is there to hear it


def run(words: Sequence[str]) -> int:
    """Runs one command line; its exit status. Raises nothing for what a user can do wrong."""
    session = _Session()
    try:
        _speak_utf8()
        status = session.dispatch(words)
        sys.stdout.flush()
        return status
    except Exception as error:  # noqa: BLE001  # the one place that turns failures into words
        return session.failed(error)
    except KeyboardInterrupt as error:
        return session.failed(error)
    except SystemExit as error:  # a signal, see `interrupts`
        return error.code if isinstance(error.code, int) else 1


def _speak_utf8() -> None:
    """File names and labels are bytes to Linux: they pass through whatever the locale says."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="surrogateescape")


class _Session:
    """One command line: what is known of it when it fails."""

    def __init__(self) -> None:
        self._debug = False
        self._command: Command | None = None

    def dispatch(self, words: Sequence[str]) -> int:
        if len(words) == 1 and words[0] in ("--version", "-v"):
            return _version()
        from cowl.cli.commands.table import TOP
        from cowl.cli.grammar import parse

        top = parse(TOP, words)
        self._debug = top.flags["debug"] is True
        if top.flags["version"] is True:
            return _version()
        if top.help or not top.words:
            return _help(())
        root, runtime = str(top.flags["root"]), str(top.flags["runtime"])
        return self._call(top.words, root or None, runtime)

    def _call(self, words: tuple[str, ...], root: str | None, runtime: str) -> int:
        from cowl.cli.call import Call
        from cowl.cli.commands.table import GROUPS, index
        from cowl.cli.grammar import parse

        count = 1
        while " ".join(words[:count]) in GROUPS and len(words) > count and words[count][:1] != "-":
            count += 1
        called = " ".join(words[:count])
        command = index().get(called)
        if command is None:
            if called in GROUPS:
                return _help(words[:count])
            if words[0] == "help":
                return _help(words[1:])
            from cowl.cli.suggest import unknown_command

            raise unknown_command(called)
        self._command = command
        parsed = parse(command, words[count:], called)
        if parsed.help:
            return _help(words[:count])
        return _handler(command)(Call(command, parsed, root, runtime, self._debug))

    def failed(self, error: BaseException) -> int:
        """Says what failed on standard error, unless nobody can hear it; the exit status."""
        from cowl.cli.failure import report
        from cowl.cli.interrupts import INTERRUPTED, ended_by_signal

        status = ended_by_signal()
        if status and not isinstance(error, KeyboardInterrupt):
            ended = KeyboardInterrupt() if status == INTERRUPTED else SystemExit(status)
            ended.__cause__ = error
            error = ended
        return report(error, self._command, debug=self._debug)


def _version() -> int:
    from cowl import __version__

    print(f"cowl version {__version__}")
    return 0


def _help(words: tuple[str, ...]) -> int:
    """The help of cowl, of a group or of a command."""
    from cowl.cli.commands.table import GROUPS, index
    from cowl.cli.help import command_help, group_help, top_help, width
    from cowl.cli.suggest import unknown_command

    called = " ".join(words)
    command = index().get(called)
    if command is not None:
        print(command_help(command, called, width()))
    elif not words:
        print(top_help(width()))
    elif called in GROUPS:
        print(group_help(called))
    else:
        raise unknown_command(called)
    return 0


def _handler(command: Command) -> Callable[[Call], int]:
    module, _, function = command.handler.partition(":")
    name = f"cowl.cli.{module}"
    handler: Callable[[Call], int] = getattr(__import__(name, fromlist=[function]), function)
    return handler
