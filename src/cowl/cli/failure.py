"""Failures to words and exit codes: the one place where kinds of errors become numbers."""

from __future__ import annotations

import os
import sys

from cowl.cli.grammar import UsageError
from cowl.cli.text import visible
from cowl.errors import CowlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.grammar import Command

INTERRUPTED, PIPE_BROKEN = 130, 141  # 128 + SIGINT, 128 + SIGPIPE
NOT_EXECUTABLE, NOT_A_COMMAND = 126, 127  # as in a shell, and as Docker's run and exec


def report(error: BaseException, command: Command | None, *, debug: bool) -> int:
    """Says what failed and what to do on standard error; the exit status. A traceback only with `debug`."""
    if isinstance(error, BrokenPipeError):
        # whoever read our output has enough: leave nothing for the interpreter to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return PIPE_BROKEN
    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        print(file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, SystemExit):  # a signal that has said all there is to say
        return error.code if isinstance(error.code, int) else 1
    print(describe(error), file=sys.stderr)
    return exit_code(error, command)


def describe(error: BaseException) -> str:
    """ "cowl: what failed" and, on lines of its own, what to do."""
    if isinstance(error, UsageError):
        return f"cowl: {error.message}\n\n{error.hint}"
    if isinstance(error, CowlError):
        hint = f"\n{visible(error.hint)}" if error.hint else ""
        return f"cowl: {visible(error.message)}{hint}"
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
        return f"cowl: {visible(where)}{error.strerror}"
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"cowl: internal error: {said}\nThis is a bug in cowl. --debug before the command shows where."


def exit_code(error: BaseException, command: Command | None) -> int:
    """The exit status of a failure, by the kind of error and the command."""
    chosen = getattr(error, "exit_status", None)
    if isinstance(chosen, int):
        return chosen
    failure = command.failure if command is not None else 1
    if command is None or command.name not in ("run", "exec", "start"):
        return failure
    from cowl import CommandNotExecutable, CommandNotFound

    if isinstance(error, CommandNotFound):
        return NOT_A_COMMAND
    return NOT_EXECUTABLE if isinstance(error, CommandNotExecutable) else failure
