"""The flags of `cowl run` and `cowl exec`: a part of the table of commands."""

from __future__ import annotations

from cowl.cli.build_flags import PLATFORM
from cowl.cli.fixture_flags import FIXTURES
from cowl.cli.grammar import BOOL, INT, LIST, TEXT, Flag
from cowl.cli.health_flags import HEALTH
from cowl.cli.limit_flags import LIMITS
from cowl.cli.networking_flags import NETWORKING

DETACH_KEYS = Flag("detach-keys", "", TEXT, "Override the key sequence for detaching a container")
PROCESS = (
    Flag("detach", "d", BOOL, "Detached mode: run command in the background"),
    Flag("env", "e", LIST, "Set environment variables"),
    Flag("env-file", "", LIST, "Read in a file of environment variables"),
    Flag("interactive", "i", BOOL, "Keep STDIN open even if not attached"),
    Flag("tty", "t", BOOL, "Allocate a pseudo-TTY"),
    Flag("user", "u", TEXT, 'Username or UID (format: "<name|uid>[:<group|gid>]")'),
    Flag("workdir", "w", TEXT, "Working directory inside the container"),
)
RUN = (
    *PROCESS,
    Flag("timeout", "", INT, "Seconds that the container may run before it is killed (0 for no limit)"),
    *HEALTH,
    *FIXTURES,
    *NETWORKING,
    *LIMITS,
    DETACH_KEYS,
    Flag("cap-add", "", LIST, "Add Linux capabilities"),
    Flag("cap-drop", "", LIST, "Drop Linux capabilities"),
    Flag("cgroupns", "", TEXT, 'Cgroup namespace to use ("host", "private")'),
    Flag("cidfile", "", TEXT, "Write the container ID to the file"),
    Flag("entrypoint", "", TEXT, "Overwrite the default ENTRYPOINT of the image"),
    Flag("group-add", "", LIST, "Add additional groups to join"),
    Flag(
        "init",
        "",
        BOOL,
        "Run an init inside the container that forwards signals and reaps processes",
    ),
    Flag("ipc", "", TEXT, 'IPC mode to use ("none", "private", "host")'),
    Flag("label", "l", LIST, "Set meta data on a container"),
    Flag("label-file", "", LIST, "Read in a line delimited file of labels"),
    Flag("log-driver", "", TEXT, 'Logging driver for the container: "json-file" or "none"'),
    Flag("log-opt", "", LIST, "Log driver options: max-size=10m, max-file=3"),
    Flag("name", "", TEXT, "Assign a name to the container"),
    Flag("pid", "", TEXT, 'PID namespace to use ("private", "host")'),
    PLATFORM,
    Flag("privileged", "", BOOL, "Give extended privileges to the container: run nothing untrusted in it"),
    Flag("pull", "", TEXT, 'Pull image before running ("always", "missing", "never")', "", "missing"),
    Flag("quiet", "q", BOOL, "Suppress the pull output"),
    Flag("read-only", "", BOOL, "Mount the container's root filesystem as read only"),
    Flag(
        "restart",
        "",
        TEXT,
        'Restart policy to apply when a container exits: "no", "on-failure[:max-retries]", "always", '
        '"unless-stopped"',
        "",
        "no",
    ),
    Flag("rm", "", BOOL, "Automatically remove the container when it exits"),
    Flag("runtime", "", TEXT, 'Runtime to use for this container ("embedded", "crun", "runc")'),
    Flag(
        "security-opt",
        "",
        LIST,
        "Security options: no-new-privileges[=false], seccomp=FILE|unconfined, systempaths=unconfined",
    ),
    Flag("sig-proxy", "", BOOL, "Proxy received signals to the process", "", True),
    Flag("stop-signal", "", TEXT, "Signal to stop the container"),
    Flag("stop-timeout", "", INT, "Timeout (in seconds) to stop a container", "int", 10),
    Flag("sysctl", "", LIST, "Kernel parameters of the container's own namespaces (NAME=VALUE)"),
    Flag("userns", "", TEXT, 'User namespace to use ("private", "host": its root is yours)'),
    Flag("uts", "", TEXT, 'UTS namespace to use ("private", "host")'),
)
CREATE = tuple(flag for flag in RUN if flag.name not in ("detach", "detach-keys", "sig-proxy"))
