"""Commands for the store and the machine."""

from __future__ import annotations

from cowl.cli.commands.flags import DRY_RUN, FILTER, FORCE, FORMAT, FORMAT_EVENTS, FORMAT_OBJECT, JSON
from cowl.cli.grammar import BOOL, LIST, TEXT, Command, Flag

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
        "events",
        "Get real time events from the store",
        "[OPTIONS]",
        "events:events",
        (0, 0),
        (
            FILTER,
            FORMAT_EVENTS,
            Flag("since", "", TEXT, "Show all events created since timestamp"),
            Flag("until", "", TEXT, "Stream events until this timestamp"),
        ),
        ("system events",),
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
    Command(
        "gc",
        "Remove what was used longest ago, until the store is small enough",
        "[OPTIONS]",
        "prune:collect_garbage",
        (0, 0),
        (
            DRY_RUN,
            Flag("filter", "", LIST, 'Provide filter values ("label=", "label!=", "until=")', "filter"),
            FORCE,
            JSON,
            Flag("keep", "", TEXT, 'Stop when the whole store takes no more than this, as "10GB"', "bytes"),
            Flag("older", "", TEXT, 'Remove only what was not used for so long: "7d", "36h"', "duration"),
            Flag("protect", "", LIST, "Keep what has a name that matches this pattern", "pattern"),
            Flag("volumes", "", BOOL, "Remove anonymous volumes that no container has, too"),
        ),
        ("system gc",),
    ),
    Command(
        "system prune",
        "Remove unused data",
        "[OPTIONS]",
        "prune:prune_system",
        (0, 0),
        (
            Flag("all", "a", BOOL, "Remove all unused images not just dangling ones"),
            DRY_RUN,
            Flag("filter", "", LIST, 'Provide filter values (e.g. "label=<key>=<value>")', "filter"),
            FORCE,
            JSON,
            Flag("volumes", "", BOOL, "Prune anonymous volumes"),
        ),
    ),
    Command("system check", "Compare the store's directories with its rows", "", "check:check", (0, 0)),
    Command(
        "system df",
        "Show disk usage",
        "[OPTIONS]",
        "df:disk_usage",
        (0, 0),
        (
            FORMAT,
            Flag("verbose", "v", BOOL, "Show detailed information on space usage"),
            Flag(
                "verify", "", BOOL, "Compare with a walk of the disk, to the byte; exit code 1 if they differ"
            ),
        ),
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
