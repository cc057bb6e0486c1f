"""Commands for volumes."""

from __future__ import annotations

from cowl.cli.commands.flags import FILTER, FORMAT, FORMAT_OBJECT
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
        "volume rm",
        "Remove one or more volumes. You cannot remove a volume that is in use by a container",
        "[OPTIONS] VOLUME [VOLUME...]",
        "volumes:remove",
        (1, MANY),
        (Flag("force", "f", BOOL, "Do not complain of volumes that do not exist"),),
        ("volume remove",),
    ),
)
