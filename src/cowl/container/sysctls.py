"""--sysctl: kernel parameters that belong to one of the container's own namespaces. Pure."""

from __future__ import annotations

import re

from cowl.container.words import InvalidOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# Docker's list; all of them are of the ipc namespace.
_IPC = (
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
)
_NAME = re.compile(r"[a-z0-9_]+(\.[A-Za-z0-9_-]+)+")  # so that it is a path below /proc/sys, and no other
_VALUE_LIMIT = 4096


class SysctlRefused(InvalidOptions):
    """The parameter is not the container's own, or not written as one."""


def parse_sysctls(words: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """ "NAME=VALUE" words as pairs; of equal names the last. Raises SysctlRefused for a word without "="."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise SysctlRefused(f"sysctl {word!r} is not allowed", hint="write NAME=VALUE")
        found[name] = value
    return tuple(found.items())


def check_sysctls(sysctls: Iterable[tuple[str, str]], shared: Collection[str]) -> None:
    """Raises SysctlRefused for what is not of a namespace of the container's own.

    shared  the namespaces that it shares with the host: "network", "ipc"
    """
    for name, value in sysctls:
        kind = _namespace(name)
        if not kind:
            raise SysctlRefused(
                f"sysctl {name!r} is not allowed: it is not of one container, but of the whole machine",
                hint="net.*, fs.mqueue.* and the kernel's limits of System V IPC belong to a container",
            )
        if kind in shared:
            raise SysctlRefused(
                f"sysctl {name!r} is not allowed in the host's {kind} namespace: it would change the host",
                hint=f"leave out --{kind} host",
            )
        if not value or len(value) > _VALUE_LIMIT or not value.isprintable():
            raise SysctlRefused(f"the value of sysctl {name} is not one line of text: {value[:80]!r}")


def _namespace(name: str) -> str:
    """The namespace that a parameter is of, "" for none that a container has."""
    if not _NAME.fullmatch(name):
        return ""
    if name.startswith("net."):
        return "network"
    return "ipc" if name in _IPC or name.startswith("fs.mqueue.") else ""
