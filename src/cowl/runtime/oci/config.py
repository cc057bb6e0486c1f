"""A config.json of the OCI runtime-spec, checked and told apart. Pure.

What asks for something that is not done here is refused by its name; annotations are kept and mean nothing.
https://github.com/opencontainers/runtime-spec/blob/main/config.md
"""

from __future__ import annotations

import os

from cowl.errors import Invalid
from cowl.linux.credentials import CAPABILITIES
from cowl.runtime.mount_plan import UnsupportedSpec
from cowl.runtime.oci.mount_words import PROPAGATION, MountWords, read_mount
from cowl.runtime.operations import Limit
from cowl.runtime.plan import RLIMITS
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Ranges = tuple[tuple[int, int, int], ...]

_KINDS = ("user", "mount", "pid", "uts", "ipc", "cgroup", "network")
_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
_NOT_DONE = {  # of the object "process", and of "linux"
    "process": ("scheduler", "ioPriority", "execCPUAffinity", "apparmorProfile", "selinuxLabel"),
    "linux": ("intelRdt", "personality", "timeOffsets", "mountLabel", "netDevices", "memoryPolicy"),
}
ID_LIMIT = (1 << 32) - 1


class InvalidConfig(Invalid):
    """A config.json is malformed."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"config.json: {reason}")


class Hook(Value):
    """A program of the host's. `timeout` in seconds, 0 for none."""

    path: str
    args: tuple[str, ...]
    env: tuple[str, ...] | None
    timeout: int


class Device(Value):
    """A node in /dev. mode, uid and gid are None where the usual ones do."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


class OciProcess(Value):
    """The object `process`. capabilities: the five sets, as masks' names; None: none is changed."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    terminal: bool
    size: tuple[int, int]
    uid: int
    gid: int
    groups: tuple[int, ...]
    umask: int | None
    capabilities: tuple[tuple[str, ...], ...] | None
    limits: tuple[Limit, ...]
    no_new_privileges: bool
    oom_score: int | None


class OciConfig(Value):
    """A container.

    new, joined   namespaces by their kind; those that are joined with their paths
    mounts        in order
    resources     `linux.resources` as it is; cgroups_path: absolute, or relative to where we may make groups
    hooks         by their names in HOOKS
    """

    rootfs: str
    read_only: bool
    process: OciProcess | None
    hostname: str
    domainname: str
    mounts: tuple[MountWords, ...]
    new: tuple[str, ...]
    joined: tuple[tuple[str, str], ...]
    uids: Ranges
    gids: Ranges
    sysctls: tuple[tuple[str, str], ...]
    devices: tuple[Device, ...]
    masked: tuple[str, ...]
    protected: tuple[str, ...]
    propagation: str
    seccomp: dict[str, Any] | None
    cgroups_path: str
    resources: dict[str, Any]
    hooks: dict[str, tuple[Hook, ...]]
    annotations: dict[str, str]


def read_config(config: Mapping[str, Any], bundle: str) -> OciConfig:
    """Raises InvalidConfig, UnsupportedSpec."""
    try:
        return _read(config, bundle)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidConfig(f"it is not of the specification's form ({error})") from error


def _read(config: Mapping[str, Any], bundle: str) -> OciConfig:
    _check_version(config)
    for system in ("windows", "solaris", "vm", "zos", "freebsd"):
        if config.get(system):
            raise UnsupportedSpec(f"config.json: {system!r} is for another system")
    linux = config.get("linux") or {}
    _refuse("linux", linux)
    root = config.get("root") or {}
    if not root.get("path"):
        raise InvalidConfig("root.path is missing")
    new, joined = _namespaces(linux)
    if "mount" not in new:
        raise UnsupportedSpec("a container without a mount namespace of its own is not supported")
    process = config.get("process")
    return OciConfig(
        rootfs=os.path.join(bundle, root["path"]),
        read_only=bool(root.get("readonly")),
        process=None if process is None else read_process(process),
        hostname=_own("hostname", config, "uts", new),
        domainname=_own("domainname", config, "uts", new),
        mounts=tuple(read_mount(mount, bundle) for mount in config.get("mounts") or ()),
        new=new,
        joined=joined,
        uids=_ranges(linux.get("uidMappings"), new),
        gids=_ranges(linux.get("gidMappings"), new),
        sysctls=tuple((linux.get("sysctl") or {}).items()),
        devices=tuple(_device(device) for device in linux.get("devices") or ()),
        masked=tuple(linux.get("maskedPaths") or ()),
        protected=tuple(linux.get("readonlyPaths") or ()),
        propagation=_propagation(linux.get("rootfsPropagation") or ""),
        seccomp=_seccomp(linux.get("seccomp")),
        cgroups_path=linux.get("cgroupsPath") or "",
        resources=linux.get("resources") or {},
        hooks={name: _hooks((config.get("hooks") or {}).get(name)) for name in HOOKS},
        annotations={str(key): str(value) for key, value in (config.get("annotations") or {}).items()},
    )


def read_process(process: Mapping[str, Any]) -> OciProcess:
    """The object `process`, of a config.json or for exec. Raises InvalidConfig, UnsupportedSpec, KeyError."""
    _refuse("process", process)
    user, size = process.get("user") or {}, process.get("consoleSize") or {}
    args, cwd = tuple(process.get("args") or ()), process.get("cwd") or ""
    if not args:
        raise InvalidConfig("process.args is empty")
    if not cwd.startswith("/"):
        raise InvalidConfig(f"process.cwd {cwd!r} is not an absolute path")
    for word in (*args, cwd, *(process.get("env") or ())):
        if "\0" in word:
            raise InvalidConfig("a null byte in process")
    held = process.get("capabilities")
    return OciProcess(
        args=args,
        env=tuple(process.get("env") or ()),
        cwd=cwd,
        terminal=bool(process.get("terminal")),
        size=(int(size.get("height", 0)), int(size.get("width", 0))),
        uid=_id(user.get("uid", 0)),
        gid=_id(user.get("gid", 0)),
        groups=tuple(_id(group) for group in user.get("additionalGids") or ()),
        umask=user.get("umask"),
        capabilities=None if held is None else tuple(_capabilities(held.get(name)) for name in _SETS),
        limits=tuple(_limit(limit) for limit in process.get("rlimits") or ()),
        no_new_privileges=bool(process.get("noNewPrivileges")),
        oom_score=process.get("oomScoreAdj"),
    )


def _check_version(config: Mapping[str, Any]) -> None:
    version = config.get("ociVersion")
    if not version:
        raise InvalidConfig("ociVersion is missing")
    if version.partition(".")[0] != "1":
        raise UnsupportedSpec(f"ociVersion {version}: 1.x is supported")


def _refuse(where: str, given: Mapping[str, Any]) -> None:
    for name in _NOT_DONE[where]:
        if given.get(name):
            raise UnsupportedSpec(f"config.json: {where}.{name} is not supported")


def _own(name: str, config: Mapping[str, Any], kind: str, new: tuple[str, ...]) -> str:
    value: str = config.get(name) or ""
    if value and kind not in new:
        raise InvalidConfig(f"{name} needs a {kind} namespace of the container's own")
    return value


def _namespaces(linux: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    seen: dict[str, str] = {}
    for item in linux.get("namespaces") or ():
        kind = item["type"]
        if kind not in _KINDS:
            raise UnsupportedSpec(f"config.json: a namespace of type {kind!r} is not supported")
        if kind in seen:
            raise InvalidConfig(f"the namespace {kind} is there twice")
        seen[kind] = item.get("path") or ""
        if kind == "mount" and seen[kind]:
            raise UnsupportedSpec("joining a mount namespace is not supported")
    return tuple(kind for kind, path in seen.items() if not path), tuple(
        (kind, path) for kind, path in seen.items() if path
    )


def _ranges(mappings: Any, new: tuple[str, ...]) -> Ranges:
    if "user" not in new:
        return ()  # of a namespace that is joined they say what holds there already
    if not mappings:
        raise InvalidConfig("a user namespace needs uidMappings and gidMappings")
    return tuple((int(item["containerID"]), int(item["hostID"]), int(item["size"])) for item in mappings)


def _propagation(word: str) -> str:
    if word and word.removeprefix("r") not in PROPAGATION and word not in PROPAGATION:
        raise InvalidConfig(f"rootfsPropagation {word!r} is not known")
    return word


def _device(device: Mapping[str, Any]) -> Device:
    kind, path = device["type"], os.path.normpath("/" + device["path"].lstrip("/"))
    if kind not in ("c", "u", "b", "p"):
        raise InvalidConfig(f"linux.devices: {path} has the unknown type {kind!r}")
    return Device(
        path=path,
        kind=kind,
        major=int(device.get("major", 0)),
        minor=int(device.get("minor", 0)),
        mode=int(device.get("fileMode") or 0o666) & 0o7777,
        uid=_id(device.get("uid") or 0),
        gid=_id(device.get("gid") or 0),
    )


def _seccomp(profile: dict[str, Any] | None) -> dict[str, Any] | None:
    for name in ("listenerPath", "listenerMetadata"):
        if profile and profile.get(name):
            raise UnsupportedSpec(f"config.json: linux.seccomp.{name} is not supported")
    for flag in (profile or {}).get("flags") or ():
        if flag not in ("SECCOMP_FILTER_FLAG_TSYNC",):  # one thread: nothing is to be done for it
            raise UnsupportedSpec(f"config.json: linux.seccomp.flags {flag} is not supported")
    return profile


def _hooks(hooks: Any) -> tuple[Hook, ...]:
    found = []
    for hook in hooks or ():
        if not hook["path"].startswith("/"):
            raise InvalidConfig(f"the hook {hook['path']!r} is not an absolute path")
        timeout = hook.get("timeout")
        if timeout is not None and timeout <= 0:
            raise InvalidConfig(f"the timeout of the hook {hook['path']} is not above zero")
        env = hook.get("env")
        args = tuple(hook.get("args") or (hook["path"],))
        found.append(Hook(hook["path"], args, None if env is None else tuple(env), timeout or 0))
    return tuple(found)


def _limit(limit: Mapping[str, Any]) -> Limit:
    if limit["type"] not in RLIMITS:
        raise InvalidConfig(f"unknown resource limit {limit['type']!r}")
    return Limit(RLIMITS[limit["type"]], int(limit["soft"]), int(limit["hard"]), True)


def _capabilities(names: Any) -> tuple[str, ...]:
    """Those that we know: what a kernel may bring one day is none of a container's yet."""
    return tuple(name for name in names or () if name in CAPABILITIES)


def _id(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < ID_LIMIT:
        raise InvalidConfig(f"{number!r} is no id")
    return number
