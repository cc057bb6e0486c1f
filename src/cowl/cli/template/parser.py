"""Tokens to the syntax tree."""

from __future__ import annotations

from cowl.cli.template.errors import TemplateSyntaxError
from cowl.cli.template.functions import FUNCTIONS
from cowl.cli.template.lexer import Token, tokens, unquoted
from cowl.cli.template.nodes import Branch, Chain, Function, Jump, Literal, Node, Operand, Pipe, Text

_CONSTANTS = {"true": True, "false": False, "nil": None}
_BRANCHES = ("if", "with", "range")
DEEPEST = 100  # nested blocks and parentheses


def parse(source: str) -> tuple[Node, ...]:
    """The nodes of a template. Raises TemplateSyntaxError."""
    parser = _Parser(tokens(source))
    nodes, end = parser.nodes(())
    assert end == ""
    return nodes


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0
        self._ranges = 0

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _is(self, kind: str, text: str) -> bool:
        token = self._peek()
        return token is not None and token.kind == kind and token.text == text

    def _line(self) -> int:
        return self._tokens[min(self._at, len(self._tokens) - 1)].line

    def _error(self, message: str) -> TemplateSyntaxError:
        return TemplateSyntaxError(message, self._line())

    def nodes(self, ends: tuple[str, ...]) -> tuple[tuple[Node, ...], str]:
        """Nodes up to one of the words in `ends`, and that word; "" at the end of the template."""
        found: list[Node] = []
        while (token := self._peek()) is not None:
            self._next()
            if token.kind == "text":
                if token.text:
                    found.append(Text(token.text))
                continue
            word = self._keyword()
            if word in ends:
                return tuple(found), word
            found.append(self._action(word))
        if ends:
            raise self._error("unexpected EOF")
        return tuple(found), ""

    def _keyword(self) -> str:
        token = self._peek()
        keywords = (*_BRANCHES, "else", "end", "break", "continue", "define", "template", "block")
        if token is None or token.kind != "word" or token.text not in keywords:
            return ""
        return self._next().text

    def _action(self, word: str) -> Node:
        if word in _BRANCHES:
            return self._branch(word)
        if word in ("break", "continue"):
            if not self._ranges:
                raise self._error(f"{{{{{word}}}}} outside {{{{range}}}}")
            self._close(word)
            return Jump(word)
        if word in ("else", "end"):
            raise self._error(f"unexpected {{{{{word}}}}}")
        if word:
            raise self._error(f"{{{{{word}}}}} is not part of cowl's templates")
        pipe = self._pipe()
        self._close("command")
        return pipe

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"nested deeper than {DEEPEST}")

    def _branch(self, kind: str) -> Branch:
        self._deeper()
        branch = self._branches(kind)
        self._depth -= 1
        return branch

    def _branches(self, kind: str) -> Branch:
        pipe = self._pipe()
        self._close(kind)
        self._ranges += kind == "range"
        body, end = self.nodes(("else", "end"))
        self._ranges -= kind == "range"
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            following = self._keyword()
            if following in _BRANCHES:
                otherwise = (self._branch(following),)
                return Branch(kind, pipe, body, otherwise)
            self._close("else")
            otherwise, end = self.nodes(("end",))
        self._close("end")
        return Branch(kind, pipe, body, otherwise)

    def _close(self, context: str) -> None:
        token = self._peek()
        if token is None or token.kind != "close":
            raise self._error(f"unexpected {token.text if token else 'EOF'!r} in {context}")
        self._next()

    def _pipe(self) -> Pipe:
        assigned, declares = self._assigned()
        commands = []
        while True:
            commands.append(self._command())
            if not self._is("sign", "|"):
                return Pipe(tuple(commands), assigned, declares)
            self._next()

    def _assigned(self) -> tuple[tuple[str, ...], bool]:
        """The variables before := or =, of which range may have two."""
        start, names = self._at, []
        while (token := self._peek()) is not None and token.kind == "variable":
            names.append(self._next().text)
            if self._is("sign", ","):
                self._next()
                continue
            if self._is("sign", ":=") or self._is("sign", "="):
                return tuple(names), self._next().text == ":="
            break
        self._at = start
        return (), True

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while (token := self._peek()) is not None:
            if token.kind == "close" or (token.kind == "sign" and token.text in "|)"):
                break
            operands.append(self._operand(first=not operands))
        if not operands:
            raise self._error("missing value for command")
        return tuple(operands)

    def _operand(self, *, first: bool) -> Operand:
        token = self._next()
        if token.kind in ("string", "raw"):
            return Literal(unquoted(token))
        if token.kind == "char":
            return Literal(ord(unquoted(token)))
        if token.kind == "number":
            return Literal(_number(token.text))
        if token.kind == "dot":
            return Chain(None, (), ".")
        if token.kind == "field":
            return Chain(None, tuple(token.text[1:].split(".")), token.text)
        if token.kind == "variable":
            return self._chain(token.text, token.text)
        if token.kind == "sign" and token.text == "(":
            return self._parenthesised()
        if token.kind == "word":
            return self._word(token, first=first)
        self._at -= 1
        raise self._error(f"unexpected {token.text!r} in operand")

    def _word(self, token: Token, *, first: bool) -> Operand:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        if token.text not in FUNCTIONS:
            self._at -= 1
            raise self._error(f"function {token.text!r} not defined")
        # a function without arguments may be an argument itself: that is how Go reads it
        return Function(token.text) if first else Pipe(((Function(token.text),),))

    def _parenthesised(self) -> Operand:
        self._deeper()
        pipe = self._pipe()
        if not self._is("sign", ")"):
            raise self._error("unclosed left paren")
        self._next()
        self._depth -= 1
        return self._chain(pipe, "(...)")

    def _chain(self, start: Pipe | str, source: str) -> Chain | Pipe:
        token = self._peek()
        if token is not None and token.kind == "field" and token.tight:
            self._next()
            return Chain(start, tuple(token.text[1:].split(".")), source + token.text)
        return start if isinstance(start, Pipe) else Chain(start, (), source)


def _number(text: str) -> int | float:
    try:
        return int(text, 0)
    except ValueError:
        try:
            return int(text)
        except ValueError:
            return float(text)
