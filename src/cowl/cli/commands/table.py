"""The table of commands: parsing, --help, dispatch and completion all read it. A new command is one entry.

What Docker has and cowl does not have yet is left out, so that it is refused by name.
"""

from __future__ import annotations

from cowl.cli.commands.builder import BUILDER
from cowl.cli.commands.containers import CONTAINERS
from cowl.cli.commands.images import IMAGES
from cowl.cli.commands.networks import NETWORKS
from cowl.cli.commands.resources import RESOURCES
from cowl.cli.commands.snapshots import SNAPSHOTS
from cowl.cli.commands.system import SYSTEM
from cowl.cli.commands.volumes import VOLUMES
from cowl.cli.grammar import BOOL, MANY, TEXT, Command, Flag

GROUPS = {
    "builder": "Manage builds",
    "builder cache": "Manage what RUN --mount=type=cache keeps",
    "container": "Manage containers",
    "image": "Manage images",
    "network": "Manage networks",
    "snapshot": "Manage snapshots",
    "system": "Manage cowl",
    "volume": "Manage volumes",
}

GLOBAL_FLAGS = (
    Flag("debug", "D", BOOL, "Show tracebacks of errors"),
    Flag(
        "root",
        "",
        TEXT,
        "Directory of the store (default: COWL_ROOT, else /var/lib/cowl for root, else ~/.local/share/cowl)",
    ),
    Flag(
        "runtime",
        "",
        TEXT,
        'Runtime that starts containers and builds: "embedded", "crun" or "runc" (default: COWL_RUNTIME)',
    ),
    Flag("version", "v", BOOL, "Print version information and quit"),
)

COMMANDS = (*CONTAINERS, *RESOURCES, *SNAPSHOTS, *IMAGES, *BUILDER, *SYSTEM, *VOLUMES, *NETWORKS)

# What cowl parses before the name of a command; the first argument ends these flags.
TOP = Command("", "", "[OPTIONS] COMMAND [ARG...]", "", (0, MANY), GLOBAL_FLAGS, interspersed=False)


def index() -> dict[str, Command]:
    """Every whole name and alias to its command."""
    return {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
