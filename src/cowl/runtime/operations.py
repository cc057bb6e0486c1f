"""The steps that make a container, as frozen plain data. `plan` orders them, `interpreter` executes them.

Paths are inside the container's root unless they say otherwise.
"""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Operation(Value):
    """One step of the child, in order."""


class Source(Value):
    """A tree of the host that is opened before the root is entered, by its place in `Plan.sources`.

    idmap      id N on disk is id N in the container (root rung only)
    recursive  with the mounts below it
    user       named by the user: a missing one is the user's error
    subpath    the part of it that is meant; links stay inside
    spread     "private", "slave" or "shared": whether it hears of later mounts of the host; "" as it is
    """

    path: str
    idmap: bool = False
    recursive: bool = False
    user: bool = False
    subpath: str = ""
    spread: str = ""


class Limit(Value):
    """prlimit(2), set by the keeper, which may more than the child. `firm`: all of it, or an error."""

    resource: int
    soft: int
    hard: int
    firm: bool = False


class BecomeMapped(Operation):
    """Takes ids that exist in the new user namespace; until then no file can be made there."""

    uid: int
    gid: int
    clear_groups: bool


class IsolateMounts(Operation):
    """Cuts the mount namespace off from the host's."""


class MountScratch(Operation):
    """Puts a private tmpfs where layers are collected by number; goes with the old root."""


class CollectLayer(Operation):
    """Makes a source reachable in the scratch directory under a short name."""

    source: int
    name: str


class MountRoot(Operation):
    """Mounts the overlay of collected layers and opens it as the root. Without `upper` it is read-only."""

    lowers: tuple[str, ...]
    upper: str = ""
    work: str = ""
    attributes: tuple[str, ...] = ()


class MountFilesystem(Operation):
    """A fresh file system on a directory; `make` makes a missing one, `follow` lets it be a symlink.

    options     (key, value) pairs for the file system; attributes: words of linux.mounts.ATTRIBUTES
    """

    kind: str
    target: str
    attributes: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    make: bool = False
    follow: bool = False


class JoinCgroup(Operation):
    """Goes into the cgroup that the keeper has made; `namespace`: and into one where that is the top."""

    namespace: bool


class MountCgroup(Operation):
    """The cgroup namespace's own hierarchy (v2); on a v1 or hybrid host an empty directory."""

    target: str
    read_only: bool = True


class BindSystem(Operation):
    """A kernel file system of the host with all below it, read-only, where it can't be mounted afresh."""

    path: str
    target: str
    attributes: tuple[str, ...]


class BindSource(Operation):
    """A source on `target`, which is made if missing. Never on /proc or /sys."""

    source: int
    target: str
    attributes: tuple[str, ...]


class BindOverlay(Operation):
    """A part of a second overlay of collected layers on `target`; without `upper` it is read-only.

    name  where the whole is mounted in the scratch directory
    """

    name: str
    lowers: tuple[str, ...]
    upper: str
    work: str
    subpath: str
    target: str
    attributes: tuple[str, ...]


class BindMemory(Operation):
    """A read-only file with `data`, made in the scratch directory under `name`. Its repr hides the bytes."""

    name: str
    data: bytes
    mode: int
    uid: int
    gid: int
    target: str

    def __repr__(self) -> str:
        return f"BindMemory(name={self.name!r}, target={self.target!r}, {len(self.data)} bytes)"

    def as_dict(self) -> dict[str, Any]:
        """The fields without the bytes: a plan is shown to people."""
        return {**super().as_dict(), "data": len(self.data)}


class MakeLink(Operation):
    """A symlink in /dev."""

    path: str
    points_to: str


class BindDevice(Operation):
    """The host's device node of that number, checked, on a new file in /dev."""

    name: str
    major: int
    minor: int


class OpenTerminal(Operation):
    """A fresh pty from the container's own devpts; its slave is also /dev/console, if asked.

    rows, columns  of its window; 0 leaves it without a size
    """

    uid: int
    console: bool
    rows: int = 0
    columns: int = 0


class WriteSysctl(Operation):
    """Sets a parameter of one of the container's own namespaces, before /proc/sys is read-only."""

    name: str
    value: str


class MaskPath(Operation):
    """Hides a path, if it exists: a file under /dev/null, a directory under an empty tmpfs."""

    path: str


class ProtectPath(Operation):
    """Makes a path read-only, if it exists, with all mounts below it."""

    path: str


class ProtectRoot(Operation):
    """Makes the root file system read-only."""


class SetHostname(Operation):
    """The name in the new uts namespace."""

    name: str


class SetDomainname(Operation):
    """The NIS domain name in the new uts namespace."""

    name: str


class RaiseLoopback(Operation):
    """127.0.0.1 answers in the new network namespace."""


class EnterRoot(Operation):
    """pivot_root; the old root and the scratch are detached."""


class EnterDirectory(Operation):
    """The working directory, made by container root where it is missing; never through a magic link."""

    path: str
    make: bool


class StartSession(Operation):
    """A new session, with the terminal (if there is one) as its controlling one and as 0, 1 and 2."""


class DropBounding(Operation):
    """Only these capabilities can ever be held again."""

    keep: tuple[str, ...]


class ForbidNewPrivileges(Operation):
    """no_new_privs."""


class KeepCapabilities(Operation):
    """Another user than root keeps what it may until it is taken away, or until the payload is executed."""


class BecomeUser(Operation):
    """The process's own ids; supplementary groups only where the namespace has more than one id."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    umask: int


class SetCapabilities(Operation):
    """Permitted and effective; inheritable and ambient become empty."""

    names: tuple[str, ...]


class DieWithParent(Operation):
    """The kernel kills the process when its keeper ends; every change of ids undoes that."""


class InstallFilter(Operation):
    """The seccomp profile, loaded last. `supervised`: the calls that one id can't do go to the keeper."""

    profile: dict[str, Any]
    supervised: bool


class Visit(Operation):
    """Code of cowl's own in the place of a payload, "module:function": called with an O_PATH descriptor of
    the root, and with 0, 1 and 2 as they were given. Imported before the container's files are in sight."""

    function: str


class StartInit(Operation):
    """This process becomes an init; a child of it goes on. `terminal`: with the terminal in its hands."""

    terminal: bool


class Execute(Operation):
    """Replaces the child by the payload, searched in the PATH of `env`."""

    args: tuple[str, ...]
    env: tuple[str, ...]
