"""What a caller asks of a container's isolation, more or less of it than usual, and what it comes to."""

from __future__ import annotations

from cowl.container.capabilities import fold_capabilities
from cowl.container.security_options import BUILTIN, UNCONFINED, Security, load_profiles, parse_security
from cowl.container.sysctls import check_sysctls, parse_sysctls
from cowl.container.words import InvalidOptions, as_words, check_text
from cowl.errors import Denied
from cowl.linux.rung import SINGLE
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

HOST, PRIVATE, NONE = "host", "private", "none"
# Option, what it is called in Docker's messages, and what it can be; "" is the default.
_MODES = {
    "cgroupns": ("CGROUP", (HOST, PRIVATE)),
    "ipc": ("IPC", (HOST, PRIVATE, NONE)),
    "pid": ("PID", (HOST, PRIVATE)),
    "userns": ("USER", (HOST, PRIVATE)),
    "uts": ("UTS", (HOST, PRIVATE)),
}
_NAMESPACES = {"cgroupns": "cgroup", "ipc": "ipc", "pid": "pid", "userns": "user", "uts": "uts"}


class NotForOneId(Denied):
    """A user with a single id can't have it: the kernel gives it to root alone."""


class HostPidRefused(Denied):
    """Among the host's processes a container can't be here."""


class CapabilityNotOurs(Denied):
    """In the host's user namespace a container may no more than who starts it."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} can't be given to a container in the host's user namespace: this process lacks it",
            hint="in a user namespace of its own it could have it, over what belongs to that",
        )


class Confinement(Value):
    """As the caller wrote it; the defaults are what every container has.

    security_opt  a seccomp profile is there as its text
    sysctls       (name, value)
    pid, ...      "" or a mode: "host" shares the namespace with the host
    """

    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    privileged: bool = False
    sysctls: tuple[tuple[str, str], ...] = ()
    pid: str = ""
    ipc: str = ""
    uts: str = ""
    userns: str = ""
    cgroupns: str = ""
    group_add: tuple[str, ...] = ()

    @property
    def security(self) -> Security:
        """What its --security-opt words come to."""
        return parse_security(self.security_opt)

    @property
    def guards_paths(self) -> bool:
        """Whether the kernel's paths are masked and read-only."""
        paths = self.security.system_paths
        return not self.privileged if paths is None else paths

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The bounding set."""
        return fold_capabilities(self.cap_add, self.cap_drop, privileged=self.privileged)

    @property
    def adds_all(self) -> bool:
        """Whether --cap-add says ALL."""
        return any(word.strip().upper() in ("ALL", "CAP_ALL") for word in self.cap_add)

    def shares(self, rung: str) -> tuple[str, ...]:
        """The namespaces that are the host's. A privileged container's users are, where that is possible."""
        shared = [kind for option, kind in _NAMESPACES.items() if getattr(self, option) == HOST]
        if self.privileged and not self.userns and rung != SINGLE:
            shared.append("user")
        return tuple(shared)


def make_confinement(
    *,
    cap_add: Sequence[str] = (),
    cap_drop: Sequence[str] = (),
    security_opt: Sequence[str] = (),
    sysctls: Mapping[str, str] | Sequence[str] = (),
    group_add: Sequence[str | int] = (),
    **rest: Any,
) -> Confinement:
    """The keywords of `Engine.start` as a value; reads the file of seccomp=FILE. Raises InvalidOptions."""
    pairs = sysctls.items() if hasattr(sysctls, "items") else parse_sysctls(as_words("sysctls", sysctls))
    return Confinement(
        cap_add=as_words("cap_add", cap_add),
        cap_drop=as_words("cap_drop", cap_drop),
        security_opt=load_profiles(as_words("security_opt", security_opt)),
        sysctls=tuple((name, str(value)) for name, value in pairs),
        group_add=tuple(str(group) for group in as_words("group_add", group_add)),  # type: ignore[arg-type]
        **rest,
    )


def check_confinement(asked: Confinement, network: str, hostname: str) -> None:
    """Raises InvalidOptions for what no container can have, whoever starts it."""
    for option in _MODES:
        _check_mode(option, getattr(asked, option))
    if asked.uts == HOST and hostname:
        raise InvalidOptions("conflicting options: hostname and the UTS mode", hint="leave out one of them")
    shared = asked.shares(SINGLE)
    check_sysctls(
        asked.sysctls, (*shared, "network") if network == HOST or network.startswith("container:") else shared
    )
    for group in asked.group_add:
        check_text(group)
    profile(asked)


def check_rung(asked: Confinement, rung: str) -> None:
    """Raises NotForOneId for what a user without a range of ids can't have, HostPidRefused."""
    if asked.pid == HOST:
        _check_host_pid(asked, rung)
    if rung != SINGLE:
        return
    if asked.userns == HOST:
        raise NotForOneId(
            "--userns host needs root: an ordinary user has no rights at all outside a user namespace",
            hint="--privileged gives the container every right that your user can give",
        )
    if asked.group_add:
        raise NotForOneId(
            f"--group-add {asked.group_add[0]} needs a range of subordinate ids: a container has the ids of"
            " one user only, and the kernel denies it setgroups(2)",
            hint="start it as root",
        )


def _check_host_pid(asked: Confinement, rung: str) -> None:
    """The kernel lets a user namespace mount no /proc of processes outside; and what was started ends by its
    cgroup alone."""
    if "user" not in asked.shares(rung):
        raise HostPidRefused(
            "cannot share the host PID namespace when user namespaces are enabled",
            hint="as root, --userns host leaves that out",
        )
    from cowl.linux.cgroups import find_place

    if blocker := find_place().blocker:
        raise HostPidRefused(
            f"--pid host needs a cgroup, else what the container starts would outlive it: {blocker}"
        )


def gives_up(asked: Confinement, rung: str) -> str:
    """What a container that is asked for like this does without, in a sentence; "" for nothing grave."""
    users = "the user namespace, so that the container's root is the host's root"
    pids = ", and the host's processes are in its sight" if asked.pid == HOST else ""
    rest = "the system call filter, the masks over the kernel's files and the choice of devices"
    bare = "user" in asked.shares(rung)
    if not (bare or asked.privileged):
        return ""
    lost = f"{rest}, and {users}" if bare and asked.privileged else users if bare else rest
    option = "--privileged" if asked.privileged else "--userns host"
    return f"{option} gives up {lost}{pids}: run nothing in it that you don't trust"


def profile(asked: Confinement) -> dict[str, Any] | None:
    """Its system call filter as a `linux.seccomp` object; None: the usual one. Raises InvalidSeccomp."""
    text = asked.security.seccomp
    if text == UNCONFINED or (asked.privileged and not text):
        from cowl.runtime.seccomp_profile import no_profile

        return no_profile()
    if text in ("", BUILTIN):
        from cowl.runtime.seccomp_profile import default_profile

        return default_profile(asked.capabilities)
    import os

    from cowl.runtime.seccomp_file import read_profile

    machine = os.uname()
    return read_profile(text, asked.capabilities, machine.machine, machine.release)


def process_fields(asked: Confinement, rung: str) -> dict[str, Any]:
    """The fields of ProcessOptions, for a first process and for exec alike. Raises CapabilityNotOurs."""
    chosen = asked.security.no_new_privileges
    forbidden = not asked.privileged if chosen is None else chosen
    capabilities = asked.capabilities
    if "user" in asked.shares(rung):
        capabilities = _ours(capabilities, every=asked.privileged or asked.adds_all)
    return {"capabilities": capabilities, "no_new_privileges": forbidden}


def _ours(capabilities: tuple[str, ...], *, every: bool) -> tuple[str, ...]:
    """Outside a user namespace nobody gives what they don't have: of `every` one those that there are."""
    from cowl.linux.credentials import effective, mask

    held = effective()
    missing = [name for name in capabilities if not held & mask((name,))]
    if missing and not every:
        raise CapabilityNotOurs(missing[0])
    return tuple(name for name in capabilities if name not in missing)


def container_fields(asked: Confinement, rung: str) -> dict[str, Any]:
    """The fields of ContainerOptions."""
    fields = {
        **process_fields(asked, rung),
        "seccomp": profile(asked),
        "system_paths": asked.guards_paths,
        "shared": asked.shares(rung),
        "sysctls": asked.sysctls,
        "devices": asked.privileged,
    }
    return {**fields, "shm_bytes": 0} if asked.ipc == NONE else fields


def _check_mode(option: str, mode: str) -> None:
    name, known = _MODES[option]
    if not mode or mode in known:
        return
    if mode == "shareable" or mode.startswith("container:"):
        raise InvalidOptions(
            f"--{option} {mode} is not available yet: a container has {name} namespaces of its own",
            hint=f"--{option} knows {', '.join(known)}",
        )
    raise InvalidOptions(f"--{option}: invalid {name} mode {mode!r}", hint=f"it knows {', '.join(known)}")
