"""Heredocs: finding `<<NAME` in a logical line and taking the bodies that follow it."""

from __future__ import annotations

import re

from cowl.dockerfile.diagnostics import quoted
from cowl.dockerfile.expand import Expander, ExpansionError
from cowl.dockerfile.nodes import Heredoc, SourceRange, Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.dockerfile.statement import Statement

_MARK = re.compile(r"(\d*)<<(-?)\s*([^<]*)")
_SPACED = re.compile(r"\d*<<-?\s")


def take_heredocs(statement: Statement) -> tuple[Heredoc, ...]:
    """The heredocs of a shell-form RUN, COPY or ADD in order; their bodies are taken off the lexer.

    A line with an unbalanced quote has none, as in BuildKit. Raises DockerfileError when a body
    does not end.
    """
    if "<<" not in statement.arguments:
        return ()
    taken = []
    for word in _split(statement.line.text, raw_quotes=True, raw_escapes=True, heredocs=True):
        heredoc = opened(word)
        if heredoc is not None and not _is_shift(statement, word, heredoc):
            taken.append(_with_body(statement, word, heredoc))
    return tuple(taken)


def opened(word: str) -> Heredoc | None:
    """The heredoc that a word like `3<<-"EOF"` opens, still without a body, or None."""
    match = _MARK.fullmatch(word) if "<<" in word else None
    if not match or not match[3]:
        return None
    bare, raw = _split(match[3]), _split(match[3], raw_quotes=True)
    if len(bare) != 1 or len(raw) != 1:
        return None
    return Heredoc(
        name=bare[0],
        content="",
        expand=_quotes(bare[0]) == _quotes(raw[0]),
        chomp=bool(match[2]),
        descriptor=int(match[1][:9] or 0),
    )


def _is_shift(statement: Statement, word: str, heredoc: Heredoc) -> bool:
    """Whether `<< 2` is the shell's arithmetic: a blank behind `<<`, and no line that ends a heredoc.

    BuildKit fails on it; there is no other reading under which the file makes sense.
    """
    return bool(_SPACED.match(word)) and not statement.lexer.has_end(heredoc.name, heredoc.chomp)


def _with_body(statement: Statement, word: str, heredoc: Heredoc) -> Heredoc:
    lexer, line = statement.lexer, statement.line
    first = line.last_line + 1
    content = lexer.take_heredoc(line, heredoc.name, heredoc.chomp)
    if content is None:
        at, column = line.place(max(0, line.text.find(word)))
        raise statement.error(
            f"the heredoc {quoted(heredoc.name)} never ends",
            Word(word, at, column),
            hint=f"Its last line must be {heredoc.name} alone, "
            + ("with nothing but tabs before it." if heredoc.chomp else "with no blanks around it."),
        )
    source = SourceRange(lexer.path, first, line.last_line)
    return heredoc.replace(content=content, source=source)


def _split(text: str, **options: bool) -> list[str]:
    try:
        return Expander({}, "\\", keep_unset=True, **options).words(text)
    except ExpansionError:
        return []


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')
