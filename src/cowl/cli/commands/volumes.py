"""Commands for volumes."""

from __future__ import annotations

from cowl.cli.commands.flags import DRY_RUN, FILTER, FORCE, FORMAT, FORMAT_OBJECT, JSON
from cowl.cli.grammar import BOOL, LIST, MANY, TEXT, Command, Flag

VOLUMES = (
    Command(
        "volume create",
        "Create a volume",
        "[OPTIONS] [VOLUME]",
        "volumes:create",
        (0, 1),
        (
            Flag("driver", "d", TEXT, "Specify volume driver name (there is local alone)", "", "local"),
            Flag("label", "", LIST, "Set metadata for a volume"),
        ),
    ),
    Command(
        "volume inspect",
        "Display detailed information on one or more volumes",
        "[OPTIONS] VOLUME [VOLUME...]",
        "inspect:inspect_volumes",
        (1, MANY),
        (FORMAT_OBJECT,),
    ),
    Command(
        "volume ls",
        "List volumes",
        "[OPTIONS]",
        "volumes:list_volumes",
        (0, 0),
        (FILTER, FORMAT, Flag("quiet", "q", BOOL, "Only display volume names")),
        ("volume list",),
    ),
    Command(
        "volume prune",
        "Remove unused local volumes",
        "[OPTIONS]",
        "prune:prune_volumes",
        (0, 0),
        (
            Flag("all", "a", BOOL, "Remove all unused volumes, not just anonymous ones"),
            DRY_RUN,
            Flag("filter", "", LIST, 'Provide filter values (e.g. "label=<label>")', "filter"),
            FORCE,
            JSON,
        ),
    ),
    Command(
        "volume rm",
        "Remove one or more volumes. You cannot remove a volume that is in use by a container",
        "[OPTIONS] VOLUME [VOLUME...]",
        "volumes:remove",
        (1, MANY),
        (DRY_RUN, Flag("force", "f", BOOL, "That a volume does not exist is no failure"), JSON),
        ("volume remove",),
    ),
)
