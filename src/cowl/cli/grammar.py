"""The grammar of command lines: pflag's, as Docker's users have it in their fingers.

argparse and click cost 10 to 26 ms to import and refuse `--rm=true` (docs/decisions/0011-command-line.md).
"""

from __future__ import annotations

from cowl.errors import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BOOL, TEXT, INT, LIST, WORDS = "bool", "string", "int", "list", "strings"
MANY = -1  # no upper bound for the number of arguments
FLAG_ERROR, USAGE_ERROR = 125, 1  # Docker's exit codes

_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


class Flag(Value):
    """One flag of a command.

    kind      BOOL, TEXT, INT; LIST collects every occurrence; WORDS also splits at commas
    word      what --help shows for its value, when that is not the kind
    default   shown by --help for TEXT and INT unless empty; the value when the flag is not given
    """

    name: str
    short: str
    kind: str
    help: str
    word: str = ""
    default: str | int | bool = ""


class Command(Value):
    """One command: enough to parse it, to explain it and to find its code.

    name         "images", or "system df" for one that lives in a group only
    handler      "module:function" below cowl.cli; imported when the command is called
    arity        least and most number of arguments; MANY for no upper bound
    aliases      other whole names, such as "image ls"
    interspersed flags may follow arguments; False: the first argument ends the flags
    failure      exit code for errors of cowl itself
    """

    name: str
    help: str
    usage: str
    handler: str
    arity: tuple[int, int]
    flags: tuple[Flag, ...] = ()
    aliases: tuple[str, ...] = ()
    interspersed: bool = True
    failure: int = 1
    common: bool = False


class UsageError(Invalid):
    """A command line that does not parse. `command` is the command's whole name ("" for cowl's own flags)."""

    def __init__(self, message: str, command: str, usage: str, *, exit_status: int = FLAG_ERROR) -> None:
        called = f"cowl {command}".rstrip()
        super().__init__(message, hint=f"Usage:  {called} {usage}\n\nSee '{called} --help'.")
        self.command = command
        self.exit_status = exit_status


class Parsed(Value):
    """Flags by name, with defaults filled in, and the arguments. `given` are the flags that were named."""

    flags: dict[str, object]
    words: tuple[str, ...]
    given: frozenset[str]
    help: bool = False


def parse(command: Command, words: Sequence[str], called: str = "") -> Parsed:
    """Parses the words after a command's name. Raises UsageError as Docker says it."""
    parser = _Parser(command, called or command.name)
    rest = parser.parse(words)
    if not parser.help:
        _check_arity(command, called or command.name, len(rest))
    values = {**{flag.name: _default(flag) for flag in command.flags}, **parser.values}
    return Parsed(values, tuple(rest), frozenset(parser.values), parser.help)


def _default(flag: Flag) -> object:
    if flag.kind in (LIST, WORDS):
        return ()
    if flag.kind == BOOL:
        return flag.default is True
    return flag.default


def _check_arity(command: Command, called: str, count: int) -> None:
    least, most = command.arity
    if least <= count and (most == MANY or count <= most):
        return
    if most == 0:
        wants = "accepts no arguments"
    elif least == most:
        wants = f"requires {_arguments(least)}"
    elif count < least:
        wants = f"requires at least {_arguments(least)}"
    else:
        wants = f"requires at most {_arguments(most)}"
    raise UsageError(f"'cowl {called}' {wants}", called, command.usage, exit_status=USAGE_ERROR)


def _arguments(count: int) -> str:
    return f"{count} argument" + ("" if count == 1 else "s")


class _Parser:
    """One walk over the words; `values` holds what was given, `help` that --help was."""

    def __init__(self, command: Command, called: str) -> None:
        self._command = command
        self._called = called
        self._long = {flag.name: flag for flag in command.flags}
        self._short = {flag.short: flag for flag in command.flags if flag.short}
        self.values: dict[str, object] = {}
        self.help = False

    def parse(self, words: Sequence[str]) -> list[str]:
        rest: list[str] = []
        queue = list(words)
        while queue and not self.help:
            word = queue.pop(0)
            if word == "--":
                return rest + queue
            if word.startswith("--"):
                self._take_long(word, queue)
            elif word.startswith("-") and word != "-":
                self._take_cluster(word, queue)
            else:
                rest.append(word)
                if not self._command.interspersed:
                    return rest + queue
        return rest

    def _take_long(self, word: str, queue: list[str]) -> None:
        name, equals, text = word[2:].partition("=")
        if not name or name.startswith("-"):
            raise self._error(f"bad flag syntax: {word}")
        flag = self._long.get(name)
        if flag is None:
            if name == "help":
                self.help = True
                return
            raise self._error(f"unknown flag: --{name}")
        if equals:
            self._set(flag, text)
        elif flag.kind == BOOL:
            self._set(flag, "true")
        elif queue:
            self._set(flag, queue.pop(0))
        else:
            raise self._error(f"flag needs an argument: --{name}")

    def _take_cluster(self, word: str, queue: list[str]) -> None:
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            flag = self._short.get(letter)
            if flag is None:
                if letter == "h":
                    self.help = True
                    return
                raise self._error(f"unknown shorthand flag: {letter!r} in {word}")
            if letters.startswith("="):
                self._set(flag, letters[1:])
                return
            if flag.kind == BOOL:
                self._set(flag, "true")
                continue
            if not letters and not queue:
                raise self._error(f"flag needs an argument: {letter!r} in {word}")
            self._set(flag, letters or queue.pop(0))
            return

    def _set(self, flag: Flag, text: str) -> None:
        if flag.kind == BOOL:
            if text not in _TRUE and text not in _FALSE:
                raise self._invalid(flag, text, "ParseBool")
            self.values[flag.name] = text in _TRUE
        elif flag.kind == INT:
            try:
                self.values[flag.name] = int(text)
            except ValueError:
                raise self._invalid(flag, text, "ParseInt") from None
        elif flag.kind in (LIST, WORDS):
            earlier = self.values.get(flag.name, ())
            assert isinstance(earlier, tuple)
            self.values[flag.name] = (*earlier, *(text.split(",") if flag.kind == WORDS else (text,)))
        else:
            self.values[flag.name] = text

    def _invalid(self, flag: Flag, text: str, function: str) -> UsageError:
        name = f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"
        return self._error(
            f'invalid argument "{text}" for "{name}" flag: strconv.{function}: '
            f'parsing "{text}": invalid syntax'
        )

    def _error(self, message: str) -> UsageError:
        return UsageError(message, self._called, self._command.usage)
