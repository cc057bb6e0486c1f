"""The flags of run and create about what is put into a container: a part of the table of commands."""

from __future__ import annotations

from cowl.cli.grammar import LIST, TEXT, Flag

FIXTURES = (
    Flag("device", "", LIST, "Add a host device to the container: HOST[:CONTAINER[:rwm]]"),
    Flag("device-cgroup-rule", "", LIST, "Not supported: cowl has no device filter of cgroups"),
    Flag("gpus", "", TEXT, "Not supported: name the nodes with --device", "gpu-request"),
    Flag(
        "mount",
        "",
        LIST,
        "Attach a filesystem mount to the container, as type=volume,src=NAME,dst=/x (or bind, tmpfs)",
        "mount",
    ),
    Flag("storage-opt", "", LIST, "Storage driver options for the container: size=10g"),
    Flag("tmpfs", "", LIST, "Mount a tmpfs directory: TARGET[:size=64m]"),
    Flag(
        "volume",
        "v",
        LIST,
        "Mount a volume, or a file or directory of the host: [SOURCE:]TARGET[:ro]",
    ),
    Flag("volumes-from", "", LIST, "Mount volumes from the specified container(s): CONTAINER[:ro]"),
)
