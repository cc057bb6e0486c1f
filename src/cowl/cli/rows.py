"""Rows to standard output: as a table, as JSON lines, by a template, or only their IDs."""

from __future__ import annotations

import json
import sys

from cowl.cli.table import align

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    Row = dict[str, Any]


def write(
    rows: Iterable[Row],
    headers: Mapping[str, str],
    columns: Sequence[str],
    format: str = "",  # noqa: A002  # the flag's name
    *,
    quiet: bool = False,
) -> None:
    """Prints the rows. `headers` names every field that a template may use, `columns` the usual ones."""
    if quiet and format:
        print("WARNING: Ignoring custom format, because both --format and --quiet are set.", file=sys.stderr)
    sys.stdout.write(rendered(rows, headers, columns, "{{.ID}}" if quiet else format))


def rendered(
    rows: Iterable[Row],
    headers: Mapping[str, str],
    columns: Sequence[str],
    format: str,  # noqa: A002
) -> str:
    """What `write` prints. Raises TemplateError."""
    if format in ("", "table"):
        titles = [headers[column] for column in columns]
        return align([titles, *([str(row[column]) for column in columns] for row in rows)])
    if format == "json":
        return "".join(to_json(row) + "\n" for row in rows)
    if format == "{{.ID}}":
        return "".join(f"{row['ID']}\n" for row in rows)
    from cowl.cli.template import render_rows

    return render_rows(format, [dict(sorted(row.items())) for row in rows], headers)  # Go sorts its maps


def to_json(row: Row) -> str:
    """One line of JSON, keys sorted, as Go marshals a map."""
    fields = {key: value for key, value in row.items() if not callable(value)}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
