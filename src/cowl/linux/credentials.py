"""What a process may do: capabilities, no_new_privs, who may look into it, and with whom it dies."""

from __future__ import annotations

import ctypes
import errno
import struct
import sys

from cowl.linux.syscalls import call

CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)  # linux/capability.h: the index is the number

_PDEATHSIG, _DUMPABLE, _KEEPCAPS, _NAME, _BOUNDING_DROP = 1, 4, 8, 15, 24  # PR_SET_*, PR_CAPBSET_DROP
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_NO_NEW_PRIVS, _AMBIENT, _AMBIENT_RAISE, _AMBIENT_CLEAR = 38, 47, 2, 4
_NO_LIMIT = (1 << 64) - 1  # RLIM_INFINITY
_VERSION_3 = 0x20080522
_SIGPIPE, _SIGCHLD, _IGNORE = (
    13,
    17,
    (1).to_bytes(8, sys.byteorder) + bytes(24),
)  # SIG_IGN in a struct sigaction


def mask(names: tuple[str, ...]) -> int:
    """The capabilities as a bit mask. Raises ValueError for an unknown name."""
    return sum(1 << CAPABILITIES.index(name) for name in set(names))


def drop_bounding(keep: int) -> None:
    """Drops every capability from the bounding set but those in the mask `keep`."""
    for number in range(64):
        if keep >> number & 1:
            continue
        try:
            call("prctl", _BOUNDING_DROP, number, 0, 0, 0)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return  # past the last one that this kernel knows
            raise


def keep_capabilities() -> None:
    """A change from root to another user takes no permitted capability away, until the next execve."""
    call("prctl", _KEEPCAPS, 1, 0, 0, 0)


def set_capabilities(permitted: int) -> None:
    """Permitted and effective become the mask; inheritable and ambient become empty."""
    call("prctl", _AMBIENT, _AMBIENT_CLEAR, 0, 0, 0)
    low, high = permitted & 0xFFFFFFFF, permitted >> 32
    call("capset", struct.pack("Ii", _VERSION_3, 0), struct.pack("6I", low, low, 0, high, high, 0))


def set_all(effective: int, permitted: int, inheritable: int, ambient: int) -> None:
    """The four sets of this thread as masks; what can't be ambient, since it is not in the others, is not."""
    call("prctl", _AMBIENT, _AMBIENT_CLEAR, 0, 0, 0)
    sets = (effective, permitted, inheritable)
    low, high = ([each >> shift & 0xFFFFFFFF for each in sets] for shift in (0, 32))
    call("capset", struct.pack("Ii", _VERSION_3, 0), struct.pack("6I", *low, *high))
    for number in range(64):
        if (ambient & permitted & inheritable) >> number & 1:
            call("prctl", _AMBIENT, _AMBIENT_RAISE, number, 0, 0)


def effective() -> int:
    """This thread's effective capabilities, as a mask."""
    data = ctypes.create_string_buffer(24)
    call("capget", struct.pack("Ii", _VERSION_3, 0), data)
    words = struct.unpack("6I", data.raw)
    return int(words[0]) | int(words[3]) << 32


def permitted() -> int:
    """This thread's permitted capabilities, as a mask."""
    data = ctypes.create_string_buffer(24)
    call("capget", struct.pack("Ii", _VERSION_3, 0), data)
    words = struct.unpack("6I", data.raw)
    return int(words[1]) | int(words[4]) << 32


def forbid_new_privileges() -> None:
    """no_new_privs: no later execve gives more rights than this process has."""
    call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)


def hide() -> None:
    """No process of an equal or lesser user may trace this one or open its descriptors until it execs."""
    call("prctl", _DUMPABLE, 0, 0, 0, 0)


def die_with_parent(signal: int = 9) -> None:
    """The kernel sends `signal` when the parent's thread ends. A change of ids clears it: set it after."""
    call("prctl", _PDEATHSIG, signal, 0, 0, 0)


def adopt_orphans(*, adopt: bool = True) -> None:
    """Descendants whose parents end become our children."""
    call("prctl", _SUBREAPER, int(adopt), 0, 0, 0)


def rename(name: str) -> None:
    """The name that ps shows, 15 bytes at most."""
    call("prctl", _NAME, name.encode()[:15], 0, 0, 0)


def default_signals() -> None:
    """Every signal back to its default disposition, none blocked: execve keeps what is ignored."""
    default = bytes(32)
    with open("/proc/self/status", "rb", buffering=0) as file:
        lines = dict(line.split(b":\t", 1) for line in file.read(8192).splitlines() if b":\t" in line)
    changed = int(lines[b"SigIgn"], 16) | int(lines[b"SigCgt"], 16)
    for number in range(1, 65):
        if changed >> (number - 1) & 1 and number not in (32, 33):  # those belong to the C library
            call("rt_sigaction", number, default, None, 8)
    call("rt_sigprocmask", 2, bytes(8), None, 8)


def ignore_children() -> None:
    """Children are buried by the kernel: SIGCHLD is ignored, sigaction(2)."""
    call("rt_sigaction", _SIGCHLD, _IGNORE, None, 8)


def ignore_broken_pipes() -> None:
    """Writing where nobody reads is an error (EPIPE), not death: SIGPIPE is ignored."""
    call("rt_sigaction", _SIGPIPE, _IGNORE, None, 8)


def heed_children() -> None:
    """Children wait to be buried again."""
    call("rt_sigaction", _SIGCHLD, bytes(32), None, 8)


def set_limit(pid: int, resource: int, soft: int, hard: int, *, firm: bool = False) -> None:
    """prlimit(2) of another process, as far as this one may raise it: else the hard limit that it has.

    -1 is no limit. Raises PermissionError instead of lowering when `firm`.
    """
    soft, hard = soft & _NO_LIMIT, hard & _NO_LIMIT
    try:
        call("prlimit64", pid, resource, struct.pack("QQ", soft, hard), None)
    except PermissionError:
        if firm:
            raise
        old = ctypes.create_string_buffer(16)
        call("prlimit64", pid, resource, None, old)
        allowed = min(hard, struct.unpack("QQ", old.raw)[1])
        call("prlimit64", pid, resource, struct.pack("QQ", min(soft, allowed), allowed), None)
