"""Raw system calls through ctypes: the ones that Python 3.11's `os` lacks. Failures raise OSError.

A pointer argument is `bytes`, a ctypes array or None; a plain number passes as it is. Never a `str`:
ctypes would hand over wide characters.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Word: TypeAlias = "int | bytes | ctypes.Array[ctypes.c_char] | None"

# The numbers from 424 on are the same everywhere; below that, asm-generic (aarch64, riscv64) differs.
_X86_64 = {
    "rt_sigaction": 13,
    "rt_sigprocmask": 14,
    "ioctl": 16,
    "madvise": 28,
    "socket": 41,
    "connect": 42,
    "sendmsg": 46,
    "recvmsg": 47,
    "shutdown": 48,
    "bind": 49,
    "listen": 50,
    "socketpair": 53,
    "getsockopt": 55,
    "clone": 56,
    "fcntl": 72,
    "capget": 125,
    "capset": 126,
    "pivot_root": 155,
    "prctl": 157,
    "mount": 165,
    "umount2": 166,
    "sethostname": 170,
    "setdomainname": 171,
    "inotify_add_watch": 254,
    "unshare": 272,
    "inotify_init1": 294,
    "fstatfs": 138,
    "prlimit64": 302,
    "accept4": 288,
    "signalfd4": 289,
    "syncfs": 306,
    "setns": 308,
    "renameat2": 316,
    "seccomp": 317,
    "statx": 332,
}
_GENERIC = {
    "rt_sigaction": 134,
    "rt_sigprocmask": 135,
    "ioctl": 29,
    "socket": 198,
    "sendmsg": 211,
    "recvmsg": 212,
    "shutdown": 210,
    "socketpair": 199,
    "bind": 200,
    "listen": 201,
    "accept4": 242,
    "connect": 203,
    "getsockopt": 209,
    "clone": 220,
    "fcntl": 25,
    "capget": 90,
    "capset": 91,
    "pivot_root": 41,
    "prctl": 167,
    "mount": 40,
    "umount2": 39,
    "sethostname": 161,
    "setdomainname": 162,
    "inotify_init1": 26,
    "inotify_add_watch": 27,
    "unshare": 97,
    "fstatfs": 44,
    "madvise": 233,
    "prlimit64": 261,
    "signalfd4": 74,
    "syncfs": 267,
    "setns": 268,
    "renameat2": 276,
    "seccomp": 277,
    "statx": 291,
}
_SAME = {
    "pidfd_send_signal": 424,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "pidfd_open": 434,
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
}
NUMBERS: dict[str, int] = {**(_X86_64 if os.uname().machine == "x86_64" else _GENERIC), **_SAME}

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * 6]


def call(name: str, a: Word = 0, b: Word = 0, c: Word = 0, d: Word = 0, e: Word = 0, f: Word = 0) -> int:
    """Makes the system call `name`; its result is never negative. Raises OSError with the call's name."""
    result: int = _syscall(NUMBERS[name], a, b, c, d, e, f)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)} [{name}]")
    return result
