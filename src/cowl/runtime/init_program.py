"""The init of --init: a program of 200 bytes that is process 1 and nothing else.

Its argument is the pid of its child, which is the payload. It waits for signals, all of which are blocked
since before it was executed: each is sent on to the child, but SIGCHLD, at which all that has ended is
reaped. When the child has ended it ends with the same code, 128+n for signal n, and the kernel ends the
rest. It needs no file of the image and of the host, no library and no memory but its stack. What it does:

    prctl(PR_SET_NAME, "cowl-init")
    forever:
        signal = rt_sigtimedwait(all signals, no time limit); -EINTR is asked again, other errors end it: 125
        if signal is not SIGCHLD: kill(child, signal)
        else: while (pid = wait4(any, &status, WNOHANG)) > 0: if pid is child: exit_group(by status)
"""

from __future__ import annotations

from cowl.errors import Unavailable
from cowl.linux.sealed import sealed_file

_X86_64 = (
    "b89d000000bf0f000000488d359c0000000f05488b5c241031ed0fb60385c0740c6bed0a8d6c05d048ffc3ebed4883ec"
    "1048830c24ffb8800000004889e731f631d241ba080000000f0583f811741b83f8fc74e2bf7d00000085c0784989c689"
    "efb83e0000000f05ebccb83d0000004883cfff488d742408ba010000004531d20f0585c07eb039e875e08b7c240889f8"
    "83e07f74088db880000000eb09c1ef0881e7ff000000b8e70000000f05636f776c2d696e697400"
)
_AARCH64 = (
    "e81480d2e00180d221060010010000d4f30b40f91400805243018052611640388100003421c000519406031bfcffff17"
    "ff4300d101008092e10300f9281180d2e0030091010080d2020080d2030180d2010000d41f440071200100541f100031"
    "e0feff54e002f837e103002ae003142a281080d2010000d4f1ffff17882080d200008092e1230091220080d2030080d2"
    "010000d41f0000712dfdff541f00146be1feff54e10b40b920180072600000540000021104000014203c085302000014"
    "a00f8052c80b80d2010000d4636f776c2d696e697400"
)
_CODE = {"x86_64": (62, _X86_64), "aarch64": (183, _AARCH64)}  # the machine's number in elf(5), the code
_BASE, _HEADERS = 0x400000, 64 + 2 * 56
_LOAD, _GNU_STACK, _READ, _WRITE, _EXECUTE = 1, 0x6474E551, 4, 2, 1
_PAGE = 0x10000  # a multiple of every page size


class NoInit(Unavailable):
    """There is no init for this kind of machine. Field: machine."""

    def __init__(self, machine: str) -> None:
        self.machine = machine
        super().__init__(f"--init is not available on {machine}", hint="it is on x86_64 and aarch64")


def open_init(machine: str) -> int:
    """A close-on-exec descriptor of the program, in memory that nobody can write to.

    machine  as uname(2) calls it
    Raises NoInit, OSError.
    """
    return sealed_file("cowl-init", elf(machine))


def elf(machine: str) -> bytes:
    """The program as a file: elf(5). Raises NoInit."""
    if machine not in _CODE:
        raise NoInit(machine)
    number, text = _CODE[machine]
    code = bytes.fromhex("".join(text.split()))
    size = _HEADERS + len(code)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)  # 64 bits, little-endian
    header = _words(2, 2, number) + _words(4, 1) + _words(8, _BASE + _HEADERS, 64, 0)
    header += _words(4, 0) + _words(2, 64, 56, 2, 0, 0, 0)
    load = _words(4, _LOAD, _READ | _EXECUTE) + _words(8, 0, _BASE, _BASE, size, size, _PAGE)
    stack = _words(4, _GNU_STACK, _READ | _WRITE) + _words(8, 0, 0, 0, 0, 0, 16)
    return identity + header + load + stack + code


def _words(size: int, *values: int) -> bytes:
    return b"".join(value.to_bytes(size, "little") for value in values)
