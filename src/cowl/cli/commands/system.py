"""Commands for the store and the machine."""

from __future__ import annotations

from cowl.cli.commands.flags import FORMAT, FORMAT_OBJECT
from cowl.cli.grammar import BOOL, Command, Flag

SYSTEM = (
    Command(
        "dedupe",
        "Make identical files of different layers one on disk",
        "[OPTIONS]",
        "dedupe:dedupe",
        (0, 0),
        (
            Flag("dry-run", "", BOOL, "Only show what would be linked and freed"),
            Flag("json", "", BOOL, "Print the result as JSON"),
        ),
        ("system dedupe",),
    ),
    Command(
        "info",
        "Display system-wide information",
        "[OPTIONS]",
        "info:info",
        (0, 0),
        (FORMAT_OBJECT,),
        ("system info",),
        common=True,
    ),
    Command("system check", "Compare the store's directories with its rows", "", "check:check", (0, 0)),
    Command(
        "system df",
        "Show disk usage",
        "[OPTIONS]",
        "df:disk_usage",
        (0, 0),
        (FORMAT, Flag("verbose", "v", BOOL, "Show detailed information on space usage")),
    ),
    Command(
        "version",
        "Show the cowl version information",
        "[OPTIONS]",
        "version:version",
        (0, 0),
        (FORMAT_OBJECT,),
        common=True,
    ),
)
