"""The flags of `cowl run` and `cowl exec`: a part of the table of commands."""

from __future__ import annotations

from cowl.cli.build_flags import PLATFORM
from cowl.cli.grammar import BOOL, LIST, TEXT, Flag

PROCESS = (
    Flag("detach", "d", BOOL, "Run in the background (not available yet: cowl refuses it)"),
    Flag("env", "e", LIST, "Set environment variables"),
    Flag("env-file", "", LIST, "Read in a file of environment variables"),
    Flag("interactive", "i", BOOL, "Keep STDIN open even if not attached"),
    Flag("tty", "t", BOOL, "Allocate a pseudo-TTY"),
    Flag("user", "u", TEXT, 'Username or UID (format: "<name|uid>[:<group|gid>]")'),
    Flag("workdir", "w", TEXT, "Working directory inside the container"),
)
RUN = (
    *PROCESS,
    Flag("cidfile", "", TEXT, "Write the container ID to the file"),
    Flag("entrypoint", "", TEXT, "Overwrite the default ENTRYPOINT of the image"),
    Flag("hostname", "h", TEXT, "Container host name"),
    Flag("label", "l", LIST, "Set meta data on a container"),
    Flag("name", "", TEXT, "Assign a name to the container"),
    Flag(
        "network",
        "",
        TEXT,
        'Connect a container to a network: "none" or "host". Until bridges come the default is none, '
        "where Docker's is bridge",
        "network",
        "none",
    ),
    Flag(
        "mount",
        "",
        LIST,
        "Attach a volume or a directory of the host, as type=volume|bind,src=,dst=",
        "mount",
    ),
    PLATFORM,
    Flag("pull", "", TEXT, 'Pull image before running ("always", "missing", "never")', "", "missing"),
    Flag("quiet", "q", BOOL, "Suppress the pull output"),
    Flag("read-only", "", BOOL, "Mount the container's root filesystem as read only"),
    Flag("rm", "", BOOL, "Automatically remove the container when it exits"),
    Flag("sig-proxy", "", BOOL, "Proxy received signals to the process", "", True),
    Flag(
        "volume",
        "v",
        LIST,
        "Mount a volume, or a file or directory of the host: [NAME|/host/path:]TARGET[:ro]",
    ),
)
# What is about the run itself, and --rm: what was never started would be gone with the command.
CREATE = tuple(flag for flag in RUN if flag.name not in ("detach", "rm", "sig-proxy"))
