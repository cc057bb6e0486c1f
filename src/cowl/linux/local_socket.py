"""Local sockets that have a name in a directory, without importing `socket`: unix(7).

SOCK_SEQPACKET, so os.read and os.write give and take whole messages. A name in the file system, never an
abstract one, which anybody in the network namespace could reach (CVE-2020-15257).
"""

from __future__ import annotations

import ctypes
import os

from cowl.linux.descriptors import above_standard
from cowl.linux.syscalls import call

_UNIX, _SEQPACKET, _CLOEXEC, _NONBLOCK = 1, 5, 0o2000000, 0o4000
_SOL_SOCKET, _PEER_CREDENTIALS, _QUEUED = 1, 17, 0x5411  # SO_PEERCRED, SIOCOUTQ
_BACKLOG = 128


def listen(directory: str, name: str) -> int:
    """A listening socket of that name, mode 0600, in the place of one that was left there. Raises OSError."""
    fd = _socket()
    try:
        os.fchmod(fd, 0o600)  # before it has a name: nobody else ever may connect
        folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            unlink(directory, name)
            address = _address(folder, name)
            call("bind", fd, address, len(address))
        finally:
            os.close(folder)
        call("listen", fd, _BACKLOG)
        os.set_blocking(fd, False)
    except BaseException:
        os.close(fd)
        raise
    return fd


def connect(directory: str, name: str) -> int:
    """A socket connected to whoever listens there.

    Raises OSError: FileNotFoundError, ConnectionRefusedError when nobody does any more.
    """
    fd = _socket()
    try:
        folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            address = _address(folder, name)
            call("connect", fd, address, len(address))
        finally:
            os.close(folder)
    except BaseException:
        os.close(fd)
        raise
    return fd


def unlink(directory: str, name: str) -> None:
    """Takes the name away; that it, or the directory, is gone is fine."""
    try:
        os.unlink(f"{directory}/{name}")
    except FileNotFoundError:
        pass


def accept(listening: int) -> int:
    """The next who has connected, non-blocking and close-on-exec. Raises OSError: BlockingIOError if none."""
    return above_standard(call("accept4", listening, 0, 0, _CLOEXEC | _NONBLOCK))


def peer_uid(fd: int) -> int:
    """The effective user of who is at the other end, as it was when that connected."""
    found, length = ctypes.create_string_buffer(12), ctypes.create_string_buffer(b"\x0c\0\0\0", 4)
    call("getsockopt", fd, _SOL_SOCKET, _PEER_CREDENTIALS, found, length)
    return int.from_bytes(found.raw[4:8], "little")


def queued_bytes(fd: int) -> int:
    """Memory held by what was written and the other end has not read."""
    found = ctypes.create_string_buffer(4)
    call("ioctl", fd, _QUEUED, found)
    return int.from_bytes(found.raw, "little")


def _socket() -> int:
    return above_standard(call("socket", _UNIX, _SEQPACKET | _CLOEXEC, 0))


def _address(folder: int, name: str) -> bytes:
    """By the directory's descriptor: a path may be longer than the 108 bytes that an address has."""
    return _UNIX.to_bytes(2, "little") + os.fsencode(f"/proc/self/fd/{folder}/{name}") + b"\0"
