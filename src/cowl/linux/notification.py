"""System calls that a seccomp filter hands to another process, which answers them: seccomp_unotify(2)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from cowl.linux.syscalls import call
from cowl.value import Value

# linux/seccomp.h: the ioctls, struct seccomp_notif and struct seccomp_notif_resp
_RECEIVE, _SEND, _STILL_VALID, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40082104
_REQUEST, _REPLY = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
_CONTINUE, _SYNC_WAKE_UP = 1, 1
_WORD, _SIGN = 0xFFFF_FFFF, 1 << 31


class Request(Value):
    """One call that waits for its answer. `pid` is the calling thread's here, 0 when it can't be seen."""

    id: int
    pid: int
    number: int
    arguments: tuple[int, ...]

    def signed(self, index: int) -> int:
        """An argument as the kernel reads an int: its low half."""
        return ((self.arguments[index] & _WORD) ^ _SIGN) - _SIGN

    def unsigned(self, index: int) -> int:
        """An argument as the kernel reads an unsigned int, a uid_t, a gid_t."""
        return self.arguments[index] & _WORD


class Decision(Value):
    """What becomes of a call: the kernel carries it out, or it fails with `error`, or gives `value`.

    The kernel reads the arguments anew: let it do only what it may do whatever they say by then.
    """

    kernel: bool = False
    error: int = 0
    value: int = 0


KERNEL, SUCCEEDS, GONE = Decision(kernel=True), Decision(), Decision(error=errno.ESRCH)


class Listener:
    """The fd that `seccomp.install` gives. Owns it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        try:
            call("ioctl", fd, _SET_FLAGS, _SYNC_WAKE_UP)
        except OSError:
            pass  # Linux before 6.6: answers take a little longer

    def fileno(self) -> int:
        """Polls as readable when a call waits, as hung up when no process has the filter any more."""
        return self._fd

    def close(self) -> None:
        """Waiting and later calls fail with ENOSYS. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def receive(self) -> Request | None:
        """The next waiting call; blocks until there is one. None when its process ended meanwhile."""
        buffer = ctypes.create_string_buffer(_REQUEST.size)
        try:
            call("ioctl", self._fd, _RECEIVE, ctypes.addressof(buffer))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return None
            raise
        identity, pid, _flags, number, _arch, _pointer, *arguments = _REQUEST.unpack(buffer.raw)
        return Request(identity, pid, number, tuple(arguments))

    def waits(self, request: Request) -> bool:
        """Whether the call still waits: then what was opened by its pid before is its process's."""
        identity = ctypes.c_uint64(request.id)
        try:
            call("ioctl", self._fd, _STILL_VALID, ctypes.addressof(identity))
        except OSError:
            return False
        return True

    def answer(self, request: Request, decision: Decision) -> None:
        """Ends the wait; nothing happens if the process has ended meanwhile."""
        value = 0 if decision.error or decision.kernel else decision.value
        flags = _CONTINUE if decision.kernel else 0
        self._send(_REPLY.pack(request.id, value, -decision.error, flags))

    def _send(self, reply: bytes) -> None:
        buffer = ctypes.create_string_buffer(reply, len(reply))
        try:
            call("ioctl", self._fd, _SEND, ctypes.addressof(buffer))
        except OSError as error:
            if error.errno != errno.ENOENT:  # its process ended meanwhile
                raise
