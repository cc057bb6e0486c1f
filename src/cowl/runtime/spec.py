"""The OCI runtime-spec config of a container: what `plan` turns into operations, and crun or runc accept.

https://github.com/opencontainers/runtime-spec/blob/main/config.md
"""

from __future__ import annotations

import os
import stat

from cowl.linux.rung import IDS_BASE, IDS_COUNT, SINGLE
from cowl.runtime.options import INIT, MEMORY_FILE, Bind, MemoryFile, Overlay, Tmpfs
from cowl.runtime.seccomp_profile import default_profile, no_profile
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.linux.root_mount import RootMount
    from cowl.runtime.options import ContainerOptions, ProcessOptions

VERSION = "1.2.0"
_LIMITS = (("RLIMIT_NOFILE", 1024, 1048576), ("RLIMIT_CORE", 0, 0))

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
)
_INTERFACES = ("/sys/class/net", "/sys/devices/virtual/net")
_KINDS = ("user", "mount", "pid", "uts", "ipc", "cgroup")
THERMAL_THROTTLE = "/sys/devices/system/cpu/cpu{}/thermal_throttle"
_OWN_DIRECTORIES = ("/dev/pts", "/dev/shm", "/dev/mqueue")
_OWN_DEVICES = tuple(
    f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "console")
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class Bundle(Value):
    """A container as the runtime takes it.

    spec        an OCI runtime-spec config
    root        how its root file system is put together
    directory   a directory of the host for transient files, gone with the container
    passing     nobody looks at its files after its end, and none of its mounts is of another place: then the
                end can be told before the kernel has taken them down
    timeout     seconds after which whoever keeps it kills it; 0: never. A monitor sees to that itself
    """

    id: str
    spec: dict[str, Any]
    root: RootMount
    directory: str
    passing: bool = False
    timeout: float = 0


def container_spec(options: ContainerOptions) -> dict[str, Any]:
    """The config of a container. Untrusted image settings reach it only as args, env, cwd and user."""
    guarded = options.confined if options.system_paths is None else options.system_paths
    return {
        "ociVersion": VERSION,
        "process": {**process_spec(options), **_oom_score(options)},
        "root": {"path": "rootfs", "readonly": options.read_only},
        "hostname": options.hostname,
        **({"annotations": {INIT: "yes"}} if options.init else {}),
        **({"domainname": options.domainname} if options.domainname else {}),
        "mounts": [*_system_mounts(options), *_user_mounts(options)],
        "linux": {
            "namespaces": [*({"type": kind} for kind in _namespaces(options)), *_joined(options)],
            "uidMappings": _mappings(options, options.user.uid, os.geteuid()),
            "gidMappings": _mappings(options, options.user.gid, os.getegid()),
            "sysctl": dict(options.sysctls),
            **({"cgroupsPath": options.cgroup} if options.cgroup else {}),
            "resources": {
                "devices": [{"allow": options.devices, "access": "rwm"}],
                **(options.resources or {}),
            },
            "maskedPaths": _masked_paths(options) if guarded else [],
            "readonlyPaths": list(READONLY_PATHS) if guarded else [],
            "rootfsPropagation": "rprivate",
            "seccomp": _profile(options),
        },
    }


def process_spec(options: ProcessOptions) -> dict[str, Any]:
    """The `process` object, for a container's first process and for exec alike."""
    capabilities = list(options.capabilities)
    forbidden = options.no_new_privileges
    homed = any(word.startswith("HOME=") for word in options.env)
    env = options.env if homed else (*options.env, f"HOME={options.user.home}")
    return {
        "terminal": options.terminal,
        "user": {
            "uid": options.user.uid,
            "gid": options.user.gid,
            "umask": 0o022,
            "additionalGids": list(options.user.additional_gids),
        },
        "args": list(options.args),
        "env": list(env),
        "cwd": options.cwd,
        "capabilities": {
            "bounding": capabilities,
            "effective": capabilities,
            "permitted": capabilities,
            "inheritable": [],
            "ambient": [],
        },
        "rlimits": _rlimits(options.limits),
        "noNewPrivileges": options.confined if forbidden is None else forbidden,
    }


def _oom_score(options: ContainerOptions) -> dict[str, int]:
    return {} if options.oom_score is None else {"oomScoreAdj": options.oom_score}


def _profile(options: ContainerOptions) -> dict[str, Any]:
    if options.seccomp is not None:
        return options.seccomp
    return default_profile(list(options.capabilities)) if options.confined else no_profile()


def _rlimits(asked: tuple[tuple[str, int, int], ...]) -> list[dict[str, Any]]:
    """The usual ones as far as the caller may raise them, and what was asked for: `firm`, so an error."""
    usual = {kind: {"type": kind, "soft": soft, "hard": hard} for kind, soft, hard in _LIMITS}
    firm = {kind: {"type": kind, "soft": soft, "hard": hard, "firm": True} for kind, soft, hard in asked}
    return list({**usual, **firm}.values())


def _namespaces(options: ContainerOptions) -> list[str]:
    kinds = [kind for kind in _KINDS if kind not in options.shared]
    return kinds if options.network == "host" or options.network_path else [*kinds, "network"]


def _masked_paths(options: ContainerOptions) -> list[str]:
    """Where /sys is the host's without the network being so, its interfaces are nobody's business."""
    foreign = _INTERFACES if options.network_path else ()
    return [*MASKED_PATHS, *_thermal_paths(), *foreign]


def _joined(options: ContainerOptions) -> list[dict[str, str]]:
    return [{"type": "network", "path": options.network_path}] if options.network_path else []


def _mappings(options: ContainerOptions, inside: int, outside: int) -> list[dict[str, int]]:
    """On the single-id rung the process's own id is the one that exists, so that getuid() tells it."""
    if "user" in options.shared:
        return []
    if options.rung == SINGLE:
        return [{"containerID": inside, "hostID": outside, "size": 1}]
    return [{"containerID": 0, "hostID": IDS_BASE, "size": IDS_COUNT}]


def _thermal_paths() -> list[str]:
    return [THERMAL_THROTTLE.format(number) for number in range(os.cpu_count() or 1)]


def _system_mounts(options: ContainerOptions) -> list[dict[str, Any]]:
    guarded = ["nosuid", "noexec", "nodev"]
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    if options.rung != SINGLE:
        terminals.append("gid=5")  # the group tty, where it is mapped
    writable = "rw" if options.devices else "ro"
    nodes = [] if options.devices else ["nodev"]  # what is bound there is on mounts of its own
    return [
        _mount("/proc", "proc", guarded),
        _mount("/dev", "tmpfs", ["nosuid", *nodes, "strictatime", "mode=755", "size=65536k"]),
        _mount("/dev/pts", "devpts", terminals),
        *_ipc_mounts(options, guarded),
        _sys_mount(options, [*guarded, writable]),
        _cgroup_mount(options, [*guarded, "relatime", writable]),
        *(_device(path) for path in (_devices() if options.devices else ())),
    ]


def _ipc_mounts(options: ContainerOptions, flags: list[str]) -> list[dict[str, Any]]:
    """Shared memory and message queues: of the container's own ipc namespace, or the host's as they are."""
    if "ipc" in options.shared:
        shared = [path for path in ("/dev/shm", "/dev/mqueue") if os.path.isdir(path)]
        return [_mount(path, "bind", ["rbind", "rprivate", *flags], path) for path in shared]
    queues = _mount("/dev/mqueue", "mqueue", flags)
    if not options.shm_bytes:
        return [queues]
    return [_mount("/dev/shm", "tmpfs", [*flags, "mode=1777", f"size={options.shm_bytes}"]), queues]


def _cgroup_mount(options: ContainerOptions, flags: list[str]) -> dict[str, Any]:
    """A cgroup file system shows the namespace that it was mounted in, and only its owner may mount it."""
    if "cgroup" in options.shared:
        return _mount("/sys/fs/cgroup", "bind", ["rbind", *flags], "/sys/fs/cgroup")
    return _mount("/sys/fs/cgroup", "cgroup", flags)


def _device(path: str) -> dict[str, Any]:
    return _mount(path, "bind", ["nosuid", "noexec", "rw"], path)


def _devices() -> list[str]:
    """The host's device nodes but for those that every container has, and terminals of others."""
    found = []
    for directory, names, files in os.walk("/dev"):
        names[:] = [name for name in names if f"{directory}/{name}" not in _OWN_DIRECTORIES]
        for name in files:
            path = f"{directory}/{name}"
            kind = stat.S_IFMT(os.lstat(path).st_mode)
            if kind in (stat.S_IFCHR, stat.S_IFBLK) and path not in _OWN_DEVICES:
                found.append(path)
    return found


def _sys_mount(options: ContainerOptions, flags: list[str]) -> dict[str, Any]:
    """sysfs shows a network namespace, and only that namespace's owner may mount it."""
    if options.network == "host" or options.network_path:
        return _mount("/sys", "bind", ["rbind", *flags], "/sys")
    return _mount("/sys", "sysfs", flags)


def _user_mounts(options: ContainerOptions) -> list[dict[str, Any]]:
    flags = ["nosuid", "nodev", "mode=1777"]
    return [
        *(_mount(target, "tmpfs", flags) for target in options.tmpfs),
        *(bind_mount(bind, options.rung) for bind in options.binds),
        *(_more(mount, options.rung) for mount in options.mounts),
    ]


def _more(mount: Bind | Tmpfs | Overlay | MemoryFile, rung: str) -> dict[str, Any]:
    if isinstance(mount, Bind):
        return bind_mount(mount, rung)
    if isinstance(mount, Tmpfs):
        if mount.options:
            return _mount(mount.target, "tmpfs", list(mount.options))
        size = [f"size={mount.size_bytes}"] if mount.size_bytes else []
        flags = ["nosuid", "nodev", "mode=1777", *size, *(["ro"] if mount.read_only else [])]
        return _mount(mount.target, "tmpfs", flags)
    if isinstance(mount, Overlay):
        return _overlay_mount(mount)
    from base64 import b64encode

    options = [f"mode={mount.mode:o}", f"uid={mount.uid}", f"gid={mount.gid}"]
    return {**_mount(mount.target, MEMORY_FILE, options), "data": b64encode(mount.data).decode()}


def _overlay_mount(mount: Overlay) -> dict[str, Any]:
    """Trees and subpath beside the options, where a comma or colon in a path would need escapes."""
    flags = ["nosuid", "nodev", "rw" if mount.upper else "ro"]
    trees = {"lowers": list(mount.lowers), "upper": mount.upper, "work": mount.work}
    return {**_mount(mount.target, "overlay", flags), **trees, "subpath": mount.subpath}


def bind_mount(bind: Bind, rung: str) -> dict[str, Any]:
    """An entry of `mounts` for a bind."""
    guards = ["nosuid", "noexec"] if bind.device else ["nosuid", "nodev"]
    kind = "rbind" if bind.recursive else "bind"
    flags = [kind, bind.propagation or "rprivate", *guards, "ro" if bind.read_only else "rw"]
    if rung != SINGLE:
        flags.append("idmap")  # the ids that the files have on disk are the container's own
    mount = _mount(bind.target, "bind", flags, bind.source)
    return {**mount, "subpath": bind.subpath} if bind.subpath else mount


def _mount(target: str, kind: str, options: list[str], source: str = "") -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source or kind, "options": options}
