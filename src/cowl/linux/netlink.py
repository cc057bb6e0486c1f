"""Netlink messages: made, sent, and answered. netlink(7), with no more of Python than its C module."""

from __future__ import annotations

import os
import struct
from _socket import AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

REQUEST, ACK, EXCLUSIVE, CREATE, REPLACE = 0x1, 0x4, 0x200, 0x400, 0x100  # NLM_F_*
_HEADER = struct.Struct("IHHII")
_ATTRIBUTE = struct.Struct("HH")
_ERROR = 2  # NLMSG_ERROR
_ANSWER_BYTES = 1 << 16


class Netlink:
    """A socket of one netlink protocol, of the network namespace that it was opened in. A context."""

    def __init__(self, protocol: int) -> None:
        """Raises OSError."""
        self._socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)
        self._sequence = 0

    def ask(self, kind: int, flags: int, body: bytes) -> bytes:
        """Sends one message; gives the first answer's bytes after its header, b"" for a bare "done".

        Raises OSError with the kernel's number.
        """
        self._sequence += 1
        length = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(length, kind, REQUEST | ACK | flags, self._sequence, 0) + body)
        found = b""
        while True:
            data = self._socket.recv(_ANSWER_BYTES)
            while len(data) >= _HEADER.size:
                size, answer, _, sequence, _ = _HEADER.unpack_from(data)
                payload, data = data[_HEADER.size : size], data[(size + 3) & ~3 :]
                if sequence != self._sequence:
                    continue
                if answer != _ERROR:
                    found = found or payload
                    continue
                number = -struct.unpack_from("i", payload)[0]
                if number:
                    raise OSError(number, os.strerror(number))
                return found

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def word(kind: int, value: int) -> bytes:
    """An attribute of 32 bits in the machine's order."""
    return attribute(kind, struct.pack("I", value))


def text(kind: int, value: str) -> bytes:
    """An attribute that is a C string."""
    return attribute(kind, value.encode() + b"\0")


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes of an answer by their kinds."""
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data)
        if size < _ATTRIBUTE.size:
            break
        found[kind] = data[_ATTRIBUTE.size : size]
        data = data[(size + 3) & ~3 :]
    return found
