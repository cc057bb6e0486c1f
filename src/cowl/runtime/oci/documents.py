"""What a runtime says of itself: an example of a config.json, and its features.

https://github.com/opencontainers/runtime-spec/blob/main/features.md
"""

from __future__ import annotations

import os

from cowl.linux.credentials import CAPABILITIES
from cowl.runtime.oci.config import HOOKS
from cowl.runtime.oci.mount_words import MOUNT_OPTIONS
from cowl.runtime.options import CAPABILITIES as USUAL
from cowl.runtime.spec import MASKED_PATHS, READONLY_PATHS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = "1.2.0"
_GUARDED = ["nosuid", "noexec", "nodev"]
_NAMESPACES = ("cgroup", "ipc", "mount", "network", "pid", "user", "uts")
_OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_ACTIONS = ("KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG")


def example(*, rootless: bool) -> dict[str, Any]:
    """A config.json to begin with: a shell in `rootfs`. rootless: for an ordinary user with one id."""
    terminals = [*_GUARDED[:2], "newinstance", "ptmxmode=0666", "mode=0620", *([] if rootless else ["gid=5"])]
    capabilities = list(USUAL)
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in _NAMESPACES if rootless or kind != "user"],
        "maskedPaths": list(MASKED_PATHS),
        "readonlyPaths": list(READONLY_PATHS),
    }
    if rootless:
        linux["uidMappings"] = [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
        linux["gidMappings"] = [{"containerID": 0, "hostID": os.getegid(), "size": 1}]
    return {
        "ociVersion": VERSION,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "cowl",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            _mount("/dev/pts", "devpts", terminals),
            _mount("/dev/shm", "tmpfs", [*_GUARDED, "mode=1777", "size=65536k"]),
            _mount("/dev/mqueue", "mqueue", _GUARDED),
            _mount("/sys", "sysfs", [*_GUARDED, "ro"]),
            _mount("/sys/fs/cgroup", "cgroup", [*_GUARDED, "relatime", "ro"]),
        ],
        "linux": linux,
    }


def _mount(target: str, kind: str, options: list[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": kind, "options": options}


def features() -> dict[str, Any]:
    """What is there, in the specification's form."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION,
        "hooks": list(HOOKS),
        "mountOptions": sorted(MOUNT_OPTIONS),
        "linux": {
            "namespaces": list(_NAMESPACES),
            "capabilities": list(CAPABILITIES),
            "seccomp": {
                "enabled": True,
                "actions": [f"SCMP_ACT_{name}" for name in _ACTIONS],
                "operators": [f"SCMP_CMP_{name}" for name in _OPERATORS],
                "archs": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_X86_64"],
                "knownFlags": ["SECCOMP_FILTER_FLAG_TSYNC"],
                "supportedFlags": ["SECCOMP_FILTER_FLAG_TSYNC"],
            },
            "apparmor": {"enabled": False},
            "selinux": {"enabled": False},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
        "annotations": {},
    }
