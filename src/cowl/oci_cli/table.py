"""The commands, with the flags that runc and crun have for them."""

from __future__ import annotations

from cowl.oci_cli.words import BOOL, LIST, MANY, NUMBER, TEXT, Command

_NO_CRIU = "containers are not checkpointed"
_MAKING = {
    "bundle|b": TEXT,
    "console-socket": TEXT,
    "pid-file": TEXT,
    "preserve-fds": NUMBER,
    "no-new-keyring": BOOL,  # as it is in any case: no keyring is ever made
}
_NOT_MAKING = {
    "no-pivot": "the root is always pivoted",
    "no-subreaper": "nothing is reaped here",
    "config": "the config.json of the bundle is read",
}

GLOBAL = Command(
    name="cowl-runtime",
    usage="cowl-runtime [--root DIR] [--log FILE] [--log-format text|json] [--debug] COMMAND [ARG...]",
    about="",
    arguments=(0, MANY),
    flags={
        "root": TEXT,
        "log": TEXT,
        "log-format": TEXT,
        "debug": BOOL,
        "rootless": TEXT,
        "cgroup-manager": TEXT,
        "version|v": BOOL,
        "help|h": BOOL,
    },
    interspersed=False,
    refused={
        "systemd-cgroup": "cgroups are made in the file system; have your engine use its cgroupfs manager",
        "criu": _NO_CRIU,
    },
)

COMMANDS = {
    command.name: command
    for command in (
        Command(
            "create", "create [-b BUNDLE] ID", "Make a container that waits for start", (1, 1), _MAKING,
            refused=_NOT_MAKING,
        ),
        Command(
            "run",
            "run [-b BUNDLE] [-d] ID",
            "Make a container, start it and wait for its end",
            (1, 1),
            {**_MAKING, "detach|d": BOOL, "keep": BOOL},
            refused=_NOT_MAKING,
        ),
        Command("start", "start ID", "Have a created container go on", (1, 1), {}),
        Command("state", "state ID", "Print the state of a container", (1, 1), {}),
        Command("kill", "kill [--all] ID [SIGNAL]", "Send a signal (TERM)", (1, 2), {"all|a": BOOL}),
        Command("delete", "delete [--force] ID", "Forget a container", (1, 1), {"force|f": BOOL}),
        Command(
            "exec",
            "exec [OPTIONS] ID COMMAND [ARG...] | exec --process FILE ID",
            "Run one more process in a container",
            (1, MANY),
            {
                "process|p": TEXT,
                "console-socket": TEXT,
                "pid-file": TEXT,
                "preserve-fds": NUMBER,
                "cwd": TEXT,
                "env|e": LIST,
                "tty|t": BOOL,
                "user|u": TEXT,
                "additional-gids|g": LIST,
                "detach|d": BOOL,
                "cap|c": LIST,
                "no-new-privs": BOOL,
            },
            interspersed=False,
            refused={
                "apparmor": "AppArmor is not used",
                "process-label": "SELinux is not used",
                "cgroup": "a process goes where its container is",
            },
        ),
        Command(
            "list", "list [--format table|json] [-q]", "List containers", (0, 0),
            {"format|f": TEXT, "quiet|q": BOOL},
        ),
        Command(
            "ps", "ps [--format table|json] ID [PS-OPTIONS]", "List the processes of a container", (1, MANY),
            {"format|f": TEXT}, interspersed=False,
        ),
        Command("pause", "pause ID", "Hold all processes of a container", (1, 1), {}),
        Command("resume", "resume ID", "Let them go on", (1, 1), {}),
        Command(
            "spec", "spec [-b BUNDLE] [--rootless]", "Write a config.json to begin with", (0, 0),
            {"bundle|b": TEXT, "rootless": BOOL},
        ),
        Command("features", "features", "Print what the runtime can do", (0, 0), {}),
    )
}  # fmt: skip
NOT_THERE = {
    "events": "no statistics are kept",
    "checkpoint": _NO_CRIU,
    "restore": _NO_CRIU,
    "update": "resources are fixed when a container is created",
}
