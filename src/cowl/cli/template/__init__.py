"""Go templates for --format: the part of text/template that Docker's users write, and Docker's functions.

Imported only when --format holds a template.
"""

from __future__ import annotations

from cowl.cli.table import align
from cowl.cli.template.errors import TemplateError, TemplateSyntaxError
from cowl.cli.template.evaluate import Record, execute
from cowl.cli.template.functions import HEADER_FUNCTIONS
from cowl.cli.template.parser import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

TEMPLATE_ERROR = 64  # Docker's exit code, of commands that look at a template first

__all__ = ["TEMPLATE_ERROR", "TemplateError", "TemplateSyntaxError", "render_object", "render_rows"]


def render_rows(text: str, rows: Iterable[Mapping[str, Any]], headers: Mapping[str, str]) -> str:
    """The template once a row, each on a line; "table TEMPLATE" aligned below a line of headers.

    Raises TemplateSyntaxError, or TemplateError for a field that the rows do not have.
    """
    table = text.startswith("table")
    body = text.removeprefix("table") if table else text
    # the shell passes \t and \n on as two characters each, and everybody writes them so
    nodes = parse(body.strip(" ").replace("\\t", "\t").replace("\\n", "\n"))
    lines = [execute(nodes, Record(row)) for row in rows]
    if not table:
        return "".join(line + "\n" for line in lines)
    lines.insert(0, execute(nodes, dict(headers), HEADER_FUNCTIONS))
    return align(line.split("\t") for text in lines for line in text.split("\n"))


def render_object(text: str, value: Any) -> str:
    """The template over one JSON-like value, as `inspect --format`; "json" alone means {{json .}}."""
    return execute(parse("{{json .}}" if text == "json" else text), value)
