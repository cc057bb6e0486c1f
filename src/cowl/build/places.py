"""Places: errors of rooms that know of no Dockerfile gain the file, line and column that they are about."""

from __future__ import annotations

from cowl.dockerfile.diagnostics import describe_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.dockerfile.nodes import Dockerfile, Instruction, Word
    from cowl.errors import CowlError


def locate(problem: CowlError, file: Dockerfile, node: Instruction, word: Word | None = None) -> None:
    """Puts the place of `node` into the message, unless the error had one (a `line`)."""
    if not hasattr(problem, "line"):
        problem.message = describe_at(file, node, problem.message, word=word)
        problem.args = (problem.message,)
        vars(problem)["line"] = (word.line if word else 0) or node.source.first_line
