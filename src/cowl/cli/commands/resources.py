"""Commands about a container's share of the machine."""

from __future__ import annotations

from cowl.cli.commands.flags import FORMAT, NO_TRUNC
from cowl.cli.grammar import BOOL, MANY, TEXT, Command, Flag
from cowl.cli.limit_flags import CHANGEABLE

RESOURCES = (
    Command(
        "pause",
        "Pause all processes within one or more containers",
        "CONTAINER [CONTAINER...]",
        "resources:pause",
        (1, MANY),
        aliases=("container pause",),
    ),
    Command(
        "unpause",
        "Unpause all processes within one or more containers",
        "CONTAINER [CONTAINER...]",
        "resources:unpause",
        (1, MANY),
        aliases=("container unpause",),
    ),
    Command(
        "update",
        "Update configuration of one or more containers",
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "resources:update",
        (1, MANY),
        (*CHANGEABLE, Flag("restart", "", TEXT, "Restart policy to apply when a container exits")),
        ("container update",),
    ),
    Command(
        "stats",
        "Display a live stream of container(s) resource usage statistics",
        "[OPTIONS] [CONTAINER...]",
        "stats:stats",
        (0, MANY),
        (
            Flag("all", "a", BOOL, "Show all containers (default shows just running)"),
            FORMAT,
            Flag("no-stream", "", BOOL, "Disable streaming stats and only pull the first result"),
            NO_TRUNC,
        ),
        ("container stats",),
    ),
)
