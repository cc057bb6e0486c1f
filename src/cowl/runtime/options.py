"""What a container or a process in it should be like, before it is written as a runtime-spec."""

from __future__ import annotations

from cowl.linux.rung import ROOT
from cowl.runtime.user import ROOT_USER, User
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
SHM_BYTES = 64 << 20
INIT = "cowl.init"  # an annotation of our own in the spec: "yes" if process 1 is an init of cowl's
MEMORY_FILE = "cowl.file"  # a mount type of our own in the spec: "data" is the file's bytes, in base64


class Bind(Value):
    """A file or directory of the host, seen in the container. Both paths are absolute.

    A missing target is made; a missing source is an error.

    recursive    with the mounts below it
    propagation  "" or "rprivate", "rslave", "rshared" (also without r, which is the same): whether later
                 mounts of the host appear inside, or both ways
    subpath      what of the source is bound; links in it stay inside the source
    device       a device node that may be opened
    """

    source: str
    target: str
    read_only: bool = False
    recursive: bool = True
    propagation: str = ""
    subpath: str = ""
    device: bool = False


class Tmpfs(Value):
    """An empty file system in memory at an absolute target; `size_bytes` 0 leaves it to the kernel.

    options  words of mount(8), in the place of nosuid, nodev and mode=1777
    """

    target: str
    size_bytes: int = 0
    read_only: bool = False
    options: tuple[str, ...] = ()


class Overlay(Value):
    """A part of another stack of layers, seen in the container.

    lowers   absolute paths of trees in overlayfs form, topmost first, at least one
    upper    where what is written goes, with `work` beside it; "" for a read-only mount
    subpath  what of the merged tree is mounted, a file or a directory; links stay inside the tree
    """

    target: str
    lowers: tuple[str, ...]
    upper: str = ""
    work: str = ""
    subpath: str = "/"


class MemoryFile(Value):
    """A read-only file that lies in memory only. Its bytes show in no repr."""

    target: str
    data: bytes
    mode: int = 0o400
    uid: int = 0
    gid: int = 0

    def __repr__(self) -> str:
        return f"MemoryFile(target={self.target!r}, {len(self.data)} bytes)"


class ProcessOptions(Value):
    """One process. `env` are "KEY=value" words; HOME is added from the user's account if it is not there.

    confined            system calls filtered, kernel paths masked or read-only, no new privileges
    no_new_privileges   the last of these alone; None: as `confined` says
    limits              (RLIMIT_..., soft, hard), over the usual ones; they must be enforced
    """

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    user: User = ROOT_USER
    terminal: bool = False
    capabilities: tuple[str, ...] = CAPABILITIES
    confined: bool = True
    no_new_privileges: bool | None = None
    limits: tuple[tuple[str, int, int], ...] = ()


class ContainerOptions(ProcessOptions):
    """A container and its first process.

    network     "none" (a loopback of its own) or "host"; anything else is a namespace of its own too
    network_path  of the namespace that it joins instead, "" for none; what there is belongs to another
    read_only   the root file system can't be written
    tmpfs       absolute targets of empty writable file systems in memory
    mounts      more to mount, in this order, after all the others
    shm_bytes   the room in /dev/shm; 0: there is none
    seccomp     a `linux.seccomp` object; None: the usual one, if `confined`
    system_paths  whether the kernel's paths are masked and read-only; None: as `confined` says
    shared      namespaces that are the host's: of "cgroup", "ipc", "pid", "user", "uts"
    sysctls     (name, value), of namespaces of its own
    devices     the host's devices are there, and the kernel's files can be written
    cgroup      path of the cgroup that is made for it, with the limits of `resources` (a `linux.resources`
                object); "" for none: then there must be no limits
    oom_score   oom_score_adj, proc(5); None: as its starter's
    init        process 1 is an init of cowl's, and the command a child of it
    rung        of cowl.linux.rung: decides the id maps
    """

    hostname: str = ""
    domainname: str = ""
    network: str = "none"
    network_path: str = ""
    read_only: bool = False
    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[str, ...] = ()
    mounts: tuple[Bind | Tmpfs | Overlay | MemoryFile, ...] = ()
    shm_bytes: int = SHM_BYTES
    seccomp: dict[str, Any] | None = None
    system_paths: bool | None = None
    shared: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    devices: bool = False
    cgroup: str = ""
    resources: dict[str, Any] | None = None
    oom_score: int | None = None
    init: bool = False
    rung: str = ROOT
