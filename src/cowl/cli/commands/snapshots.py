"""Commands for snapshots, and for what is made of containers."""

from __future__ import annotations

from cowl.cli.commands.flags import DRY_RUN, FILTER, FORMAT, FORMAT_OBJECT, JSON, NO_TRUNC
from cowl.cli.grammar import BOOL, INT, LIST, MANY, TEXT, Command, Flag

_CHANGE = Flag("change", "c", LIST, "Apply Dockerfile instruction to the created image")
_AUTHOR = Flag("author", "a", TEXT, 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")')

SNAPSHOTS = (
    Command(
        "snapshot create",
        "Keep the files of a container as they are now",
        "[OPTIONS] CONTAINER",
        "snapshots:create",
        (1, 1),
        (
            Flag("name", "", TEXT, "Assign a name to the snapshot"),
            Flag("message", "m", TEXT, "What is to be said of it"),
        ),
    ),
    Command(
        "snapshot ls",
        "List snapshots",
        "[OPTIONS]",
        "snapshots:list_snapshots",
        (0, 0),
        (FILTER, FORMAT, NO_TRUNC, Flag("quiet", "q", BOOL, "Only display snapshot IDs")),
        ("snapshot list",),
    ),
    Command(
        "snapshot inspect",
        "Display detailed information on one or more snapshots",
        "[OPTIONS] SNAPSHOT [SNAPSHOT...]",
        "inspect:inspect_snapshots",
        (1, MANY),
        (FORMAT_OBJECT,),
    ),
    Command(
        "snapshot rm",
        "Remove one or more snapshots",
        "[OPTIONS] SNAPSHOT [SNAPSHOT...]",
        "snapshots:remove",
        (1, MANY),
        (
            DRY_RUN,
            Flag(
                "force", "f", BOOL, "Also remove what containers were forked from or restored to. They stay"
            ),
            JSON,
        ),
        ("snapshot remove",),
    ),
    Command(
        "fork",
        "Create containers that begin as a container or snapshot is now",
        "[OPTIONS] CONTAINER|SNAPSHOT",
        "snapshots:fork",
        (1, 1),
        (
            Flag("name", "", TEXT, "Assign a name to the container; to several NAME-1, NAME-2, ..."),
            Flag("number", "n", INT, "How many", "int", 1),
        ),
        ("container fork",),
    ),
    Command(
        "restore",
        "Throw away what a stopped container wrote, and put it on a snapshot",
        "CONTAINER SNAPSHOT",
        "snapshots:restore",
        (2, 2),
        aliases=("container restore",),
    ),
    Command(
        "promote",
        "Create a new image from a snapshot",
        "[OPTIONS] SNAPSHOT [REPOSITORY[:TAG]]",
        "snapshots:promote",
        (1, 2),
        (_AUTHOR, _CHANGE, Flag("message", "m", TEXT, "What the history is to say")),
        ("snapshot promote",),
    ),
    Command(
        "commit",
        "Create a new image from a container's changes",
        "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        "snapshots:commit",
        (1, 2),
        (
            _AUTHOR,
            _CHANGE,
            Flag("message", "m", TEXT, "Commit message"),
            Flag("no-pause", "", BOOL, "Disable pausing container during commit"),
            Flag("pause", "p", BOOL, "Pause container during commit", "", True),
        ),
        ("container commit",),
        interspersed=False,
    ),
)
