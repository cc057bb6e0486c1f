"""Commands for images."""

from __future__ import annotations

from cowl.cli.build_flags import BUILD, PLATFORM
from cowl.cli.commands.flags import DRY_RUN, FILTER, FORCE, FORMAT, FORMAT_OBJECT, JSON, NO_TRUNC
from cowl.cli.grammar import BOOL, INT, LIST, MANY, TEXT, Command, Flag

IMAGES = (
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
            FILTER,
            FORMAT,
            NO_TRUNC,
            Flag("quiet", "q", BOOL, "Only show image IDs"),
        ),
        ("image ls", "image list"),
        common=True,
    ),
    Command(
        "explain",
        "Show where the space of an image, container or snapshot goes, and what can be saved",
        "[OPTIONS] IMAGE|CONTAINER|SNAPSHOT [IMAGE|CONTAINER|SNAPSHOT]",
        "explain:explain",
        (1, 2),
        (
            Flag(
                "budget",
                "",
                LIST,
                "Exit with 1 if a limit does not hold: wasted, size, duplicates (20MB, 1GiB), layers, files,"
                " efficiency (0.95)",
                "limits",
            ),
            Flag("depth", "", INT, "Levels of the tree of paths, 0 for all", "int", 2),
            Flag("json", "", BOOL, "Print a JSON document"),
            Flag("top", "", INT, "Rows of each directory and section, 0 for all", "int", 10),
            Flag("type", "", TEXT, 'Only look for a "container", "image" or "snapshot" of that name'),
        ),
        ("image explain", "container explain"),
        failure=125,
    ),
    Command(
        "history",
        "Show the history of an image",
        "[OPTIONS] IMAGE",
        "history:history",
        (1, 1),
        (
            FORMAT,
            Flag("human", "H", BOOL, "Print sizes and dates in human readable format", "", True),
            Flag("layers", "l", BOOL, "Show which layer each row made, or why none, and who shares it"),
            NO_TRUNC,
            Flag("quiet", "q", BOOL, "Only show image IDs"),
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
        "Return low-level information on images, containers and volumes",
        "[OPTIONS] NAME|ID [NAME|ID...]",
        "inspect:inspect",
        (1, MANY),
        (
            FORMAT_OBJECT,
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
        (FORMAT_OBJECT,),
    ),
    Command(
        "image prune",
        "Remove unused images",
        "[OPTIONS]",
        "prune:prune_images",
        (0, 0),
        (
            Flag("all", "a", BOOL, "Remove all unused images, not just dangling ones"),
            DRY_RUN,
            Flag("filter", "", LIST, 'Provide filter values (e.g. "until=<timestamp>")', "filter"),
            FORCE,
            JSON,
        ),
    ),
    Command(
        "rmi",
        "Remove one or more images",
        "[OPTIONS] IMAGE [IMAGE...]",
        "images:remove",
        (1, MANY),
        (
            DRY_RUN,
            Flag("force", "f", BOOL, "Force removal of the image"),
            JSON,
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
