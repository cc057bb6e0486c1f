"""The syntax tree applied to a value."""

from __future__ import annotations

from cowl.cli.template.errors import TemplateError
from cowl.cli.template.functions import FUNCTIONS, truth
from cowl.cli.template.gofmt import shown
from cowl.cli.template.nodes import Branch, Chain, Function, Jump, Literal, Pipe, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from cowl.cli.template.nodes import Node, Operand

_NOTHING = object()  # no value comes through the pipe


class Record(dict[str, "Any"]):
    """A row whose fields are all known: a name that it lacks is a mistake, never `<no value>`."""


def execute(
    nodes: tuple[Node, ...], value: Any, functions: Mapping[str, Callable[..., Any]] = FUNCTIONS
) -> str:
    """The text that the template makes of the value. Raises TemplateError."""
    run = _Run(functions, value)
    run.nodes(nodes, value)
    return "".join(run.output)


class _Jumped(Exception):
    """break or continue on its way to its range."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class _Run:
    def __init__(self, functions: Mapping[str, Callable[..., Any]], root: Any) -> None:
        self.output: list[str] = []
        self._functions = functions
        self._variables: list[tuple[str, Any]] = [("$", root)]

    def nodes(self, nodes: tuple[Node, ...], dot: Any) -> None:
        """Runs nodes; variables that they declare end with them."""
        mark = len(self._variables)
        for node in nodes:
            if isinstance(node, Text):
                self.output.append(node.text)
            elif isinstance(node, Branch):
                self._branch(node, dot)
            elif isinstance(node, Jump):
                raise _Jumped(node.kind)
            else:
                value = self._pipe(node, dot)
                if not node.assigned:
                    self.output.append("<no value>" if value is None else shown(value))
        del self._variables[mark:]

    def _branch(self, node: Branch, dot: Any) -> None:
        mark = len(self._variables)
        if node.kind == "range":
            self._range(node, dot)
        else:
            value = self._pipe(node.pipe, dot)
            chosen = node.body if truth(value) else node.otherwise
            self.nodes(chosen, value if node.kind == "with" and chosen is node.body else dot)
        del self._variables[mark:]

    def _range(self, node: Branch, dot: Any) -> None:
        pairs = list(_pairs(self._pipe(Pipe(node.pipe.commands), dot)))
        mark = len(self._variables)
        for key, item in pairs:
            names = node.pipe.assigned
            values = (item,) if len(names) == 1 else (key, item)
            self._variables.extend(zip(names, values, strict=False))
            try:
                self.nodes(node.body, item)
            except _Jumped as jumped:
                if jumped.kind == "break":
                    return
            finally:
                del self._variables[mark:]
        if not pairs:
            self.nodes(node.otherwise, dot)

    def _pipe(self, pipe: Pipe, dot: Any) -> Any:
        value: Any = _NOTHING
        for command in pipe.commands:
            value = self._command(command, dot, value)
        for name in pipe.assigned:
            self._assign(name, value, declares=pipe.declares)
        return value

    def _assign(self, name: str, value: Any, *, declares: bool) -> None:
        if not declares:
            for at in range(len(self._variables) - 1, -1, -1):
                if self._variables[at][0] == name:
                    self._variables[at] = (name, value)
                    return
            raise TemplateError(f"undefined variable {name!r}")
        self._variables.append((name, value))

    def _command(self, command: tuple[Operand, ...], dot: Any, piped: Any) -> Any:
        first, rest = command[0], command[1:]
        if isinstance(first, Function):
            if first.name in ("and", "or"):
                return self._logical(first.name, rest, dot, piped)
            arguments = [self._operand(operand, dot) for operand in rest]
            return self._call(first.name, self._functions[first.name], arguments, piped)
        value = self._operand(first, dot, method=True)
        if callable(value):
            arguments = [self._operand(operand, dot) for operand in rest]
            return self._call(getattr(first, "source", "method"), value, arguments, piped)
        if rest or piped is not _NOTHING:
            raise TemplateError(f"can't give argument to non-function {getattr(first, 'source', 'operand')}")
        return value

    def _logical(self, name: str, operands: tuple[Operand, ...], dot: Any, piped: Any) -> Any:
        """and, or: they look at no more operands than they need."""
        value: Any = _NOTHING
        for operand in operands:
            value = self._operand(operand, dot)
            if truth(value) == (name == "or"):
                return value
        value = piped if piped is not _NOTHING else value
        if value is _NOTHING:
            raise TemplateError(f"wrong number of args for {name}: want at least 1 got 0")
        return value

    def _call(self, name: str, function: Callable[..., Any], arguments: list[Any], piped: Any) -> Any:
        if piped is not _NOTHING:
            arguments.append(piped)
        try:
            return function(*arguments)
        except (TypeError, AttributeError, ValueError, IndexError) as error:
            given = ", ".join(shown(argument) for argument in arguments)
            raise TemplateError(f"error calling {name}: wrong arguments: {given}") from error

    def _operand(self, operand: Operand, dot: Any, *, method: bool = False) -> Any:
        if isinstance(operand, Literal):
            return operand.value
        if isinstance(operand, Pipe):
            return self._pipe(operand, dot)
        if isinstance(operand, Function):
            return self._functions[operand.name]()
        value = self._start(operand, dot)
        for name in operand.names:
            value = _field(value, name, operand.source)
        return value if method or not callable(value) else value()

    def _start(self, chain: Chain, dot: Any) -> Any:
        if chain.start is None:
            return dot
        if isinstance(chain.start, Pipe):
            return self._pipe(chain.start, dot)
        for name, value in reversed(self._variables):
            if name == chain.start:
                return value
        raise TemplateError(f"undefined variable {chain.start!r}")


def _field(value: Any, name: str, source: str) -> Any:
    """A field of a map. Docker's structs and its JSON write the same names differently: .ID is also .Id."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TemplateError(f'executing "" at <{source}>: can\'t evaluate field {name} in {shown(value)!r}')
    if name in value:
        return value[name]
    for key in value:
        if key.lower() == name.lower():
            return value[key]
    if isinstance(value, Record):
        raise TemplateError(
            f'executing "" at <{source}>: can\'t evaluate field {name}',
            hint=f"The fields are {', '.join(sorted(value))}.",
        )
    if all(isinstance(item, str) for item in value.values()):
        return None  # a map of strings, such as labels: its keys are not known beforehand
    raise TemplateError(
        f'executing "" at <{source}>: map has no entry for key "{name}"',
        hint=f"There are {', '.join(sorted(value))}.",
    )


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    if value is None:
        return
    if isinstance(value, dict):
        yield from sorted(value.items())
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from ((number, number) for number in range(value))
    else:
        raise TemplateError(f"range can't iterate over {shown(value)}")
