"""Diagnostics: a place in a Dockerfile shown as a good compiler does: position, line, caret, hint."""

from __future__ import annotations

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl.dockerfile.nodes import Dockerfile, Instruction, Word

_WINDOW = 100  # characters of a source line that an excerpt shows
_QUOTE_LIMIT = 60  # characters of the user's text that a message repeats


class DockerfileError(Invalid):
    """A Dockerfile that can't be accepted, with the place: `path`, `line` and `column` count from 1.

    `reason` is the bare statement, `excerpt` the source line with `length` carets (two lines, or "");
    `message` has all of it: "path:line:column: reason" and the excerpt.
    """

    def __init__(
        self,
        reason: str,
        *,
        path: str,
        line: int,
        column: int,
        length: int = 1,
        excerpt: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(headed(reason, path, line, column, excerpt), hint=hint)
        self.reason = reason
        self.path = path
        self.line = line
        self.column = column
        self.length = length
        self.excerpt = excerpt


def headed(reason: str, path: str, line: int, column: int, excerpt: str) -> str:
    """The text of a diagnostic: "path:line:column: reason", and below it the excerpt if there is one."""
    head = f"{path}:{line}:{column}: {reason}"
    return f"{head}\n{excerpt}" if excerpt else head


def excerpt_of(source_line: str, line: int, column: int, length: int = 1) -> str:
    """The source line under its number, and carets below `length` characters from `column` on.

    Long lines are cut to a window around the column; tabs stay in line; characters that a terminal
    would act on are shown as U+FFFD.
    """
    source_line = source_line.rstrip("\r\n")
    column = max(1, min(column, len(source_line) + 1))
    start = max(0, column - 1 - _WINDOW // 2) if len(source_line) > _WINDOW else 0
    shown = source_line[start : start + _WINDOW]
    before, marked = shown[: column - 1 - start], shown[column - 1 - start :][: max(1, length)]
    cut_left = "..." if start else ""
    cut_right = "..." if start + _WINDOW < len(source_line) else ""
    padding = " " * len(cut_left) + "".join("\t" if c == "\t" else " " * _width(c) for c in before)
    carets = "^" * max(1, sum(_width(c) for c in marked))
    gutter = f"{line:>5} | "
    return (
        f"{gutter}{cut_left}{printable(shown)}{cut_right}".rstrip()
        + f"\n{' ' * (len(gutter) - 2)}| {padding}{carets}"
    )


def printable(text: str) -> str:
    """`text` safe for a terminal: control characters (tabs apart) and lone surrogates become U+FFFD."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\t\xa0\u3000" else "\ufffd" for c in text)


def quoted(text: str) -> str:
    """The user's text for use inside a message: in double quotes, printable, and not too long."""
    shown = printable(text[: _QUOTE_LIMIT + 1])
    return f'"{shown[:_QUOTE_LIMIT]}..."' if len(shown) > _QUOTE_LIMIT else f'"{shown}"'


def error_at(
    file: Dockerfile, node: Instruction, reason: str, *, word: Word | None = None, hint: str = ""
) -> DockerfileError:
    """An error about `node` (or one of its words) with position, excerpt and caret. To be raised."""
    line, column, length = _place(node, word)
    excerpt = excerpt_of(file.line(line), line, column, length)
    return DockerfileError(
        reason, path=node.source.path, line=line, column=column, length=length, excerpt=excerpt, hint=hint
    )


def describe_at(file: Dockerfile, node: Instruction, reason: str, *, word: Word | None = None) -> str:
    """The same text as `error_at` gives, for errors of other kinds (NotFound, ...) and for warnings."""
    return error_at(file, node, reason, word=word).message


def suggestion(word: str, known: Iterable[str]) -> str:
    """The known name that `word` is most likely a slip of, or "" when none is near."""
    if len(word) > 24:
        return ""
    near = [(_distance(word.lower(), name.lower()), name) for name in known]
    distance, name = min(near, default=(99, ""))
    return name if distance <= (1 if len(word) <= 3 else 2) and distance < len(word) else ""


def _place(node: Instruction, word: Word | None) -> tuple[int, int, int]:
    if word is not None and word.line:
        return word.line, word.column, word.length
    return node.source.first_line, node.source.column, len(node.keyword)


def _width(character: str) -> int:
    if character < "\u1100":
        return 1
    import unicodedata  # only for errors in lines with wide scripts

    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _distance(left: str, right: str) -> int:
    """Edits (insert, delete, change, swap of neighbours) between two short words."""
    rows = [list(range(len(right) + 1))]
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(rows[-1][j] + 1, row[j - 1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
