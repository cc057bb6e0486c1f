"""The syntax tree of a template: plain values."""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias


class Text(Value):
    """Text outside of {{ }}."""

    text: str


class Literal(Value):
    """A string, number, true, false or nil."""

    value: Any


class Chain(Value):
    """.A.B (start None), $x.A (start "$x") or (pipe).A (start a Pipe); the current value is "." alone."""

    start: Pipe | str | None
    names: tuple[str, ...]
    source: str


class Function(Value):
    """The name of a function, first in its command."""

    name: str


class Pipe(Value):
    """Commands joined by |; each command is its operands. `assigned` are the variables that it sets."""

    commands: tuple[tuple[Operand, ...], ...]
    assigned: tuple[str, ...] = ()
    declares: bool = True


class Branch(Value):
    """if, with or range (the `kind`), with its two bodies."""

    kind: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


class Jump(Value):
    """break or continue, in a range."""

    kind: str


Operand: TypeAlias = "Literal | Chain | Function | Pipe"
Node: TypeAlias = "Text | Pipe | Branch | Jump"
