"""Commands for what builds keep."""

from __future__ import annotations

from cowl.cli.commands.flags import DRY_RUN, FORCE, FORMAT, JSON, NO_TRUNC
from cowl.cli.grammar import BOOL, LIST, MANY, TEXT, Command, Flag

BUILDER = (
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
                "Remove all unused build cache, not just dangling ones: steps too whose layers images have",
            ),
            DRY_RUN,
            Flag(
                "filter",
                "",
                LIST,
                'Provide filter values ("until=24h", "type=regular", "type=exec.cachemount", "id=",'
                ' "shared=")',
                "filter",
            ),
            FORCE,
            JSON,
            Flag("keep-storage", "", TEXT, "Amount of disk space to keep for cache", "bytes"),
            Flag("reserved-space", "", TEXT, "The same", "bytes"),
        ),
    ),
    Command(
        "builder cache ls",
        "List cache mounts",
        "[OPTIONS]",
        "build_cache:list_mounts",
        (0, 0),
        (FORMAT, NO_TRUNC, Flag("quiet", "q", BOOL, "Only display IDs")),
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
            DRY_RUN,
            FORCE,
            JSON,
        ),
        ("builder cache remove",),
    ),
)
