"""What a container or a process in it should be like, before it is written as a runtime-spec."""

from __future__ import annotations

from cowl.linux.rung import ROOT
from cowl.runtime.user import ROOT_USER, User
from cowl.value import Value

# Docker's default set without MKNOD, NET_RAW and AUDIT_WRITE
CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)


class Bind(Value):
    """A file or directory of the host, seen in the container. Both paths are absolute.

    A missing target is made; a missing source is an error.
    """

    source: str
    target: str
    read_only: bool = False


class ProcessOptions(Value):
    """One process. `env` are "KEY=value" words; HOME is added from the user's account if it is not there."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    user: User = ROOT_USER
    terminal: bool = False
    capabilities: tuple[str, ...] = CAPABILITIES


class ContainerOptions(ProcessOptions):
    """A container and its first process.

    network     "none" (a loopback of its own) or "host"
    read_only   the root file system can't be written
    tmpfs       absolute targets of empty writable file systems in memory
    rung        of cowl.linux.rung: decides the id maps
    """

    hostname: str = ""
    network: str = "none"
    read_only: bool = False
    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[str, ...] = ()
    rung: str = ROOT
