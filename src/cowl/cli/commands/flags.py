"""Flags that many commands share."""

from __future__ import annotations

from cowl.cli.grammar import BOOL, LIST, TEXT, Flag

_TEMPLATES = """Format output using a custom template:
{table}'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates"""
_TABLES = """'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
"""

FORMAT = Flag("format", "", TEXT, _TEMPLATES.format(table=_TABLES))
FORMAT_OBJECT = Flag("format", "f", TEXT, _TEMPLATES.format(table=""))
FORMAT_EVENTS = Flag("format", "", TEXT, _TEMPLATES.format(table=""))
FILTER = Flag("filter", "f", LIST, "Filter output based on conditions provided", "filter")
DRY_RUN = Flag("dry-run", "", BOOL, "Only show what would be removed, what stays and why, and what it frees")
JSON = Flag("json", "", BOOL, "Print the plan, or what was done, as JSON")
FORCE = Flag("force", "f", BOOL, "Do not prompt for confirmation")
NO_TRUNC = Flag("no-trunc", "", BOOL, "Don't truncate output")
