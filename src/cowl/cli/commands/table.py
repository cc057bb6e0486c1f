"""The table of commands: parsing, --help, dispatch and completion all read it. A new command is one entry.

What Docker has and cowl does not have yet is left out, so that it is refused by name; `-d` alone is
here, to say why.
"""

from __future__ import annotations

from cowl.cli.build_flags import BUILD, PLATFORM
from cowl.cli.grammar import BOOL, INT, LIST, MANY, TEXT, Command, Flag
from cowl.cli.process_flags import PROCESS, RUN

GROUPS = {
    "builder": "Manage builds",
    "builder cache": "Manage what RUN --mount=type=cache keeps",
    "container": "Manage containers",
    "image": "Manage images",
    "system": "Manage cowl",
}

GLOBAL_FLAGS = (
    Flag("debug", "D", BOOL, "Show tracebacks of errors"),
    Flag(
        "root",
        "",
        TEXT,
        "Directory of the store (default: COWL_ROOT, else /var/lib/cowl for root, else ~/.local/share/cowl)",
    ),
    Flag("version", "v", BOOL, "Print version information and quit"),
)

_TEMPLATES = """Format output using a custom template:
{table}'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates"""
_TABLES = """'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
"""

_FORMAT = Flag("format", "", TEXT, _TEMPLATES.format(table=_TABLES))
_FORMAT_OBJECT = Flag("format", "f", TEXT, _TEMPLATES.format(table=""))
_FILTER = Flag("filter", "f", LIST, "Filter output based on conditions provided", "filter")
_NO_TRUNC = Flag("no-trunc", "", BOOL, "Don't truncate output")
_IDS = "Only show image IDs"
_CONTAINERS = (
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
            _FILTER,
            _FORMAT,
            Flag("last", "n", INT, "Show n last created containers (includes all states)", "int", -1),
            Flag("latest", "l", BOOL, "Show the latest created container (includes all states)"),
            _NO_TRUNC,
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
            Flag("force", "f", BOOL, "Force the removal of a running container (uses SIGKILL)"),
            Flag("volumes", "v", BOOL, "Remove anonymous volumes associated with the container"),
        ),
        ("container rm", "container remove"),
    ),
    Command(
        "diff",
        "Inspect changes to files or directories on a container's filesystem",
        "CONTAINER",
        "containers:diff",
        (1, 1),
        aliases=("container diff",),
    ),
    Command(
        "container inspect",
        "Display detailed information on one or more containers",
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "inspect:inspect_containers",
        (1, MANY),
        (_FORMAT_OBJECT, Flag("size", "s", BOOL, "Display total file sizes")),
    ),
)

_IMAGES = (
    Command(
        "build",
        "Build an image from a Dockerfile",
        "[OPTIONS] PATH | URL | -",
        "build:build",
        (1, 1),
        BUILD,
        ("image build", "builder build"),
        common=True,
    ),
    Command(
        "pull",
        "Download an image from a registry",
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        "pull:pull",
        (1, 1),
        (PLATFORM, Flag("quiet", "q", BOOL, "Suppress verbose output")),
        ("image pull",),
        common=True,
    ),
    Command(
        "images",
        "List images",
        "[OPTIONS] [REPOSITORY[:TAG]]",
        "images:list_images",
        (0, 1),
        (
            Flag("all", "a", BOOL, "Show all images (cowl has no intermediate images to hide)"),
            Flag("digests", "", BOOL, "Show digests"),
            _FILTER,
            _FORMAT,
            _NO_TRUNC,
            Flag("quiet", "q", BOOL, _IDS),
        ),
        ("image ls", "image list"),
        common=True,
    ),
    Command(
        "history",
        "Show the history of an image",
        "[OPTIONS] IMAGE",
        "history:history",
        (1, 1),
        (
            _FORMAT,
            Flag("human", "H", BOOL, "Print sizes and dates in human readable format", "", True),
            _NO_TRUNC,
            Flag("quiet", "q", BOOL, _IDS),
        ),
        ("image history",),
    ),
    Command(
        "import",
        "Import the contents from a tarball to create a filesystem image",
        "[OPTIONS] FILE|- [REPOSITORY[:TAG]]",
        "imports:import_image",
        (1, 2),
        (
            Flag("change", "c", LIST, "Apply Dockerfile instruction to the created image"),
            Flag("message", "m", TEXT, "Set commit message for imported image"),
            Flag("platform", "", TEXT, "The platform that the image is for, as os[/arch[/variant]]"),
        ),
        ("image import",),
    ),
    Command(
        "inspect",
        "Return low-level information on images and containers",
        "[OPTIONS] NAME|ID [NAME|ID...]",
        "inspect:inspect",
        (1, MANY),
        (
            _FORMAT_OBJECT,
            Flag("size", "s", BOOL, "Display total file sizes if the type is container"),
            Flag("type", "", TEXT, "Only inspect objects of the given type"),
        ),
    ),
    Command(
        "image inspect",
        "Display detailed information on one or more images",
        "[OPTIONS] IMAGE [IMAGE...]",
        "inspect:inspect_images",
        (1, MANY),
        (_FORMAT_OBJECT,),
    ),
    Command(
        "rmi",
        "Remove one or more images",
        "[OPTIONS] IMAGE [IMAGE...]",
        "images:remove",
        (1, MANY),
        (
            Flag("force", "f", BOOL, "Force removal of the image"),
            Flag("no-prune", "", BOOL, "Do not delete untagged parents (cowl's images have none)"),
        ),
        ("image rm", "image remove"),
    ),
    Command(
        "tag",
        "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
        "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
        "images:tag",
        (2, 2),
        aliases=("image tag",),
    ),
)

_SYSTEM = (
    Command(
        "builder prune",
        "Remove build cache",
        "[OPTIONS]",
        "prune:prune_build_cache",
        (0, 0),
        (
            Flag(
                "all",
                "a",
                BOOL,
                "Remove all unused build cache, not just dangling ones. Here both forms do, and like Docker's"
                " they remove the cache mounts that no build uses",
            ),
            Flag(
                "filter", "", LIST, 'Remove only "type=regular" (steps) or "type=exec.cachemount"', "filter"
            ),
            Flag("force", "f", BOOL, "Do not prompt for confirmation"),
        ),
    ),
    Command(
        "builder cache ls",
        "List cache mounts",
        "[OPTIONS]",
        "build_cache:list_mounts",
        (0, 0),
        (_FORMAT, _NO_TRUNC, Flag("quiet", "q", BOOL, "Only display IDs")),
        ("builder cache list",),
    ),
    Command(
        "builder cache export",
        "Write a cache mount to a tar archive (to standard output by default)",
        "[OPTIONS] NAME|ID",
        "build_cache:export",
        (1, 1),
        (Flag("output", "o", TEXT, "Write to a file, instead of STDOUT"),),
    ),
    Command(
        "builder cache import",
        "Make a cache mount from a tar archive, in place of its namesake",
        "NAME FILE|-",
        "build_cache:import_mount",
        (2, 2),
    ),
    Command(
        "builder cache rm",
        "Remove cache mounts",
        "[OPTIONS] [NAME|ID...]",
        "build_cache:remove",
        (0, MANY),
        (
            Flag("all", "a", BOOL, "Remove all cache mounts that no build uses"),
            Flag("force", "f", BOOL, "Do not prompt for confirmation"),
        ),
        ("builder cache remove",),
    ),
    Command(
        "info",
        "Display system-wide information",
        "[OPTIONS]",
        "info:info",
        (0, 0),
        (_FORMAT_OBJECT,),
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
        (_FORMAT, Flag("verbose", "v", BOOL, "Show detailed information on space usage")),
    ),
    Command(
        "version",
        "Show the cowl version information",
        "[OPTIONS]",
        "version:version",
        (0, 0),
        (_FORMAT_OBJECT,),
        common=True,
    ),
)

COMMANDS = (*_CONTAINERS, *_IMAGES, *_SYSTEM)

# What cowl parses before the name of a command; the first argument ends these flags.
TOP = Command("", "", "[OPTIONS] COMMAND [ARG...]", "", (0, MANY), GLOBAL_FLAGS, interspersed=False)


def index() -> dict[str, Command]:
    """Every whole name and alias to its command."""
    return {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
