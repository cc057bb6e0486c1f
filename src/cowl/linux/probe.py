"""What this kernel lets this process do: the rung in force, and what blocks a better one."""

from __future__ import annotations

import os

from cowl.errors import Unavailable
from cowl.linux.credentials import effective, mask
from cowl.linux.rung import IDS_BASE, IDS_COUNT, NONE, ROOT, SINGLE
from cowl.value import Value

_NEEDED = ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE")


class NoContainers(Unavailable):
    """This process may make no user namespace. `blocker` names the reason."""

    def __init__(self, blocker: str) -> None:
        self.blocker = blocker
        super().__init__(f"containers can't run here: {blocker}", hint="see `cowl info`")


class Probe(Value):
    """The report for `cowl info`: each field is one line of text.

    kernel      release
    rung        of cowl.linux.rung, in force
    root, single_id  "available", or what blocks that rung
    userns, overlay, proc, network, idmap  "available", or why a container would fail there
    cgroup      "v2", "v1", "hybrid" or "none"
    limits      which controllers containers of this user can have, or why none
    seccomp     "available" or "missing"
    """

    kernel: str
    rung: str
    root: str
    single_id: str
    userns: str
    overlay: str
    proc: str
    network: str
    idmap: str
    cgroup: str
    limits: str
    seccomp: str


def probe() -> Probe:
    """Tries what containers need, in a child that leaves nothing behind; a few milliseconds."""
    from cowl.linux.trials import AVAILABLE, try_all

    as_root = not root_blocker()
    tried = try_all(root=as_root)
    blocker = root_blocker() or ("" if tried["idmap"] == AVAILABLE else f"idmapped mounts: {tried['idmap']}")
    single = single_blocker() or (
        "" if tried["userns"] == AVAILABLE else f"user namespaces: {tried['userns']}"
    )
    return Probe(
        kernel=os.uname().release,
        rung=NONE if single else rung(),
        root=blocker or AVAILABLE,
        single_id=single or AVAILABLE,
        cgroup=_cgroup(),
        limits=_limits(),
        seccomp=AVAILABLE if os.path.exists("/proc/sys/kernel/seccomp/actions_avail") else "missing",
        **tried,
    )


def _cgroup() -> str:
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return "v2"
    if os.path.exists("/sys/fs/cgroup/unified/cgroup.controllers"):
        return "hybrid"
    return "v1" if os.path.isdir("/sys/fs/cgroup/memory") else "none"


def _limits() -> str:
    from cowl.linux.cgroups import find_place

    place = find_place()
    if place.blocker:
        return place.blocker
    return ", ".join(sorted(place.controllers)) or f"no controller is given to the cgroup {place.path}"


def rung() -> str:
    """The best rung that nothing forbids, by looking only: cheap."""
    if not root_blocker():
        return ROOT
    return NONE if single_blocker() else SINGLE


def require_containers() -> str:
    """The rung, where containers can run on it. Raises NoContainers."""
    found = rung()
    if found == NONE:
        raise NoContainers(single_blocker())
    return found


def root_blocker() -> str:
    """Why the root rung is not in force, or ""."""
    if os.geteuid() != 0:
        return f"not root (uid {os.geteuid()})"
    held = effective()
    missing = [name for name in _NEEDED if not held >> mask((name,)).bit_length() - 1 & 1]
    if missing:
        return f"root without {', '.join(missing)}"
    if not _range_mapped():
        return "root of a user namespace that lacks the ids of containers"
    return _namespaces_blocker()


def single_blocker() -> str:
    """Why not even a user namespace with one id can be made, or ""."""
    return _namespaces_blocker()


def _range_mapped() -> bool:
    """Whether the containers' ids exist in our own user namespace: true on a plain host."""
    with open("/proc/self/uid_map", "rb", buffering=0) as file:
        lines = file.read(65536).split(b"\n")
    ranges = [[int(word) for word in line.split()] for line in lines if line]
    return any(first <= IDS_BASE and first + count >= IDS_BASE + IDS_COUNT for first, _, count in ranges)


def _namespaces_blocker() -> str:
    for name, bad in _SWITCHES:
        if _read(name) == bad:
            return f"user namespaces are switched off ({name.replace('/', '.')} = {bad})"
    return ""


_SWITCHES = (
    ("user/max_user_namespaces", "0"),
    ("kernel/unprivileged_userns_clone", "0"),
)


def _read(name: str) -> str:
    try:
        with open(f"/proc/sys/{name}", "rb", buffering=0) as file:
            return file.read(64).decode("ascii").strip()
    except FileNotFoundError:
        return ""
