"""Commands for containers."""

from __future__ import annotations

from cowl.cli.commands.flags import DRY_RUN, FILTER, FORCE, FORMAT, FORMAT_OBJECT, JSON, NO_TRUNC
from cowl.cli.grammar import BOOL, INT, LIST, MANY, TEXT, Command, Flag
from cowl.cli.process_flags import CREATE, PROCESS, RUN

CONTAINERS = (
    Command(
        "run",
        "Create and run a new container from an image",
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "run:run",
        (1, MANY),
        RUN,
        ("container run",),
        interspersed=False,
        failure=125,
        common=True,
    ),
    Command(
        "create",
        "Create a new container",
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "run:create",
        (1, MANY),
        CREATE,
        ("container create",),
        interspersed=False,
    ),
    Command(
        "start",
        "Start a stopped container, attached: its output and exit code are the command's",
        "[OPTIONS] CONTAINER",
        "start:start",
        (1, MANY),
        (
            Flag("attach", "a", BOOL, "Attach STDOUT/STDERR and forward signals"),
            Flag("interactive", "i", BOOL, "Attach container's STDIN"),
            Flag("sig-proxy", "", BOOL, "Proxy received signals to the process", "", True),
        ),
        ("container start",),
    ),
    Command(
        "exec",
        "Execute a command in a running container",
        "[OPTIONS] CONTAINER COMMAND [ARG...]",
        "exec:execute",
        (2, MANY),
        PROCESS,
        ("container exec",),
        interspersed=False,
        common=True,
    ),
    Command(
        "ps",
        "List containers",
        "[OPTIONS]",
        "ps:list_containers",
        (0, 0),
        (
            Flag("all", "a", BOOL, "Show all containers (default shows just running)"),
            FILTER,
            FORMAT,
            Flag("last", "n", INT, "Show n last created containers (includes all states)", "int", -1),
            Flag("latest", "l", BOOL, "Show the latest created container (includes all states)"),
            NO_TRUNC,
            Flag("quiet", "q", BOOL, "Only display container IDs"),
            Flag("size", "s", BOOL, "Display total file sizes"),
        ),
        ("container ls", "container list", "container ps"),
        common=True,
    ),
    Command(
        "rm",
        "Remove one or more containers",
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "containers:remove",
        (1, MANY),
        (
            DRY_RUN,
            Flag("force", "f", BOOL, "Force the removal of a running container (uses SIGKILL)"),
            JSON,
            Flag("volumes", "v", BOOL, "Remove anonymous volumes associated with the container"),
        ),
        ("container rm", "container remove"),
    ),
    Command(
        "diff",
        "Inspect changes to files or directories on a container's filesystem, or between any two of"
        " containers, images, snapshots and layers",
        "[OPTIONS] CONTAINER | BEFORE AFTER",
        "compare:diff",
        (1, 2),
        (Flag("json", "", BOOL, "Print a JSON document"),),
        aliases=("container diff",),
    ),
    Command(
        "export",
        "Export a container's filesystem as a tar archive",
        "[OPTIONS] CONTAINER",
        "export:export",
        (1, 1),
        (Flag("output", "o", TEXT, "Write to a file, instead of STDOUT"),),
        ("container export",),
    ),
    Command(
        "container prune",
        "Remove all stopped containers",
        "[OPTIONS]",
        "prune:prune_containers",
        (0, 0),
        (
            DRY_RUN,
            Flag("filter", "", LIST, 'Provide filter values (e.g. "until=<timestamp>")', "filter"),
            FORCE,
            JSON,
        ),
    ),
    Command(
        "container inspect",
        "Display detailed information on one or more containers",
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "inspect:inspect_containers",
        (1, MANY),
        (FORMAT_OBJECT, Flag("size", "s", BOOL, "Display total file sizes")),
    ),
)
