"""Command lines to values: the flags of the runtime and of each of its commands, as a table."""

from __future__ import annotations

from cowl import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BOOL, TEXT, LIST, NUMBER = "bool", "text", "list", "number"
MANY = 1000


class UsageError(Invalid):
    """The command line can't be understood."""


class Command(Value):
    """flags: name (long, or "long|s") to its kind. interspersed: flags may follow arguments.

    refused  flags that runc has, with the reason why they are not here
    """

    name: str
    usage: str
    about: str
    arguments: tuple[int, int]
    flags: dict[str, str]
    interspersed: bool = True
    refused: dict[str, str] = {}  # noqa: RUF012  # a frozen value's


class Parsed(Value):
    """flags: by long name, with a value for each that there is."""

    flags: dict[str, object]
    words: tuple[str, ...]

    def on(self, name: str) -> bool:
        """A BOOL flag."""
        return self.flags[name] is True

    def text(self, name: str) -> str:
        """A TEXT flag."""
        return str(self.flags[name])

    def number(self, name: str) -> int:
        """A NUMBER flag, 0 where it was not given."""
        value = self.flags[name]
        assert isinstance(value, int)
        return value

    def many(self, name: str) -> tuple[str, ...]:
        """A LIST flag."""
        value = self.flags[name]
        assert isinstance(value, tuple)
        return value


_EMPTY: dict[str, object] = {BOOL: False, TEXT: "", LIST: (), NUMBER: 0}
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def parse(command: Command, words: Sequence[str]) -> Parsed:
    """Raises UsageError."""
    kinds: dict[str, tuple[str, str]] = {}
    for spelled, kind in command.flags.items():
        long, _, short = spelled.partition("|")
        kinds[f"--{long}"] = (long, kind)
        if short:
            kinds[f"-{short}"] = (long, kind)
    flags = {long: _EMPTY[kind] for long, kind in kinds.values()}
    rest: list[str] = []
    pending = [*words]
    while pending:
        word = pending.pop(0)
        if word == "--":
            rest += pending
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
            if not command.interspersed and len(rest) >= command.arguments[0]:
                rest += pending
                break
            continue
        name, equals, value = word.partition("=")
        name = f"-{name}" if not name.startswith("--") and len(name) > 2 else name  # "-root", as Go has it
        if name.lstrip("-") in command.refused:
            raise UsageError(f"{name} is not supported: {command.refused[name.lstrip('-')]}")
        if name not in kinds:
            raise UsageError(f"flag provided but not defined: {name}", hint=f"usage: {command.usage}")
        long, kind = kinds[name]
        if kind == BOOL:
            if equals and value not in _TRUTHS:
                raise UsageError(f"invalid boolean value {value!r} for {name}")
            flags[long] = _TRUTHS[value] if equals else True
            continue
        if not equals:
            if not pending:
                raise UsageError(f"flag needs an argument: {name}")
            value = pending.pop(0)
        flags[long] = _value(name, kind, value, flags[long])
    least, most = command.arguments
    if not least <= len(rest) <= most:
        raise UsageError(f"{command.name}: wrong number of arguments", hint=f"usage: {command.usage}")
    return Parsed(flags, tuple(rest))


def _value(name: str, kind: str, value: str, before: object) -> object:
    if kind == LIST:
        assert isinstance(before, tuple)
        return (*before, value)
    if kind == NUMBER:
        if not value.isdigit():
            raise UsageError(f"invalid value {value!r} for {name}: a number is needed")
        return int(value)
    return value
