"""A local socket pair that carries messages and open descriptors, without importing `socket`.

unix(7): SOCK_SEQPACKET keeps message borders and gives an end of file when the other end is closed.
"""

from __future__ import annotations

import ctypes
import struct

from cowl.linux.descriptors import above_standard
from cowl.linux.syscalls import call

_UNIX, _SEQPACKET, _CLOEXEC = 1, 5, 0o2000000
_SOL_SOCKET, _SCM_RIGHTS = 1, 1
_NOSIGNAL, _CMSG_CLOEXEC, _PEEK = 0x4000, 0x40000000, 0x2
_RIGHTS_LIMIT = 253  # SCM_MAX_FD
_BOTH_WAYS = 2  # SHUT_RDWR
MESSAGE_LIMIT = 1 << 16


def pair() -> tuple[int, int]:
    """Two connected ends, both close-on-exec."""
    ends = (ctypes.c_int * 2)()
    call("socketpair", _UNIX, _SEQPACKET | _CLOEXEC, 0, ctypes.addressof(ends))
    return above_standard(ends[0]), above_standard(ends[1])


def send(end: int, data: bytes, fds: tuple[int, ...] = ()) -> None:
    """Sends one message of at least one byte. Raises OSError (EPIPE: nobody is there any more)."""
    first, rest = fds[:_RIGHTS_LIMIT], fds[_RIGHTS_LIMIT:]
    _send_one(end, data, first)
    while rest:
        first, rest = rest[:_RIGHTS_LIMIT], rest[_RIGHTS_LIMIT:]
        _send_one(end, data, first)


def _send_one(end: int, data: bytes, fds: tuple[int, ...]) -> None:
    body = ctypes.create_string_buffer(data, len(data))
    vector = ctypes.create_string_buffer(struct.pack("PN", ctypes.addressof(body), len(data)), 16)
    rights = b""
    if fds:
        rights = struct.pack(f"Nii{len(fds)}i", 16 + 4 * len(fds), _SOL_SOCKET, _SCM_RIGHTS, *fds)
        rights += bytes(-len(rights) % 8)
    control = ctypes.create_string_buffer(rights, len(rights) or 1)
    header = struct.pack(
        "PIxxxxPNPNi4x", 0, 0, ctypes.addressof(vector), 1, ctypes.addressof(control), len(rights), 0
    )
    while True:
        try:
            call("sendmsg", end, header, _NOSIGNAL)
            return
        except InterruptedError:  # the caller's signal handler has run; PEP 475 knows nothing of ctypes
            continue


def hang_up(end: int) -> None:
    """Makes the other end see the end of file now, whoever else holds a copy of this one (a fork)."""
    call("shutdown", end, _BOTH_WAYS)


def receive(end: int, *, peek: bool = False) -> tuple[bytes, tuple[int, ...]]:
    """The next message and its descriptors (close-on-exec); b"" at the end of file. Blocks.

    `peek` leaves the message where it is and gives no descriptors.
    """
    body = ctypes.create_string_buffer(MESSAGE_LIMIT)
    vector = ctypes.create_string_buffer(struct.pack("PN", ctypes.addressof(body), MESSAGE_LIMIT), 16)
    room = 0 if peek else 16 + 4 * (_RIGHTS_LIMIT + 1)
    control = ctypes.create_string_buffer(room or 1)
    header = ctypes.create_string_buffer(
        struct.pack("PIxxxxPNPNi4x", 0, 0, ctypes.addressof(vector), 1, ctypes.addressof(control), room, 0),
        56,
    )
    length = _call_receive(end, header, _CMSG_CLOEXEC | (_PEEK if peek else 0))
    used = struct.unpack_from("N", header, 40)[0]
    return body.raw[:length], _rights(control.raw[:used])


def _call_receive(end: int, header: ctypes.Array[ctypes.c_char], flags: int) -> int:
    while True:
        try:
            return call("recvmsg", end, header, flags)
        except (InterruptedError, ConnectionResetError):
            # The second is said once, when the other end was closed before it read all; what it sent is
            # still to come.
            continue


def _rights(control: bytes) -> tuple[int, ...]:
    if len(control) < 16:
        return ()
    length, level, kind = struct.unpack_from("Nii", control)
    if (level, kind) != (_SOL_SOCKET, _SCM_RIGHTS):
        return ()
    return struct.unpack_from(f"{(length - 16) // 4}i", control, 16)
