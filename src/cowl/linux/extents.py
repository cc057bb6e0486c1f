"""Extents: data of two files that a file system keeps once (reflinks), ioctl_fideduperange(2), fiemap."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

_FIDEDUPERANGE = 0xC0189436
_FIEMAP = 0xC020660B
_SAME, _DIFFERS = 0, 1
_MOST = 16 << 20  # bytes that btrfs takes at once
_EXTENTS = 64
_LAST, _UNKNOWN = 0x1, 0x2 | 0x4  # of fiemap's flags: the last one; place unknown, not allocated yet
_NONE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EXDEV, errno.ETXTBSY)


class NoClones(OSError):
    """The file system can't share the data of these two files."""


def share_data(source: int, target: int, size: int) -> int:
    """Has both files, open for reading, keep their first `size` bytes once; how many the kernel shares now.

    The kernel compares them first, and stops where they differ. Neither file's metadata changes. `size` is
    a multiple of the block size, or the length of both. Raises NoClones, OSError.
    """
    done = 0
    while done < size:
        got = _share(source, target, done, min(_MOST, size - done))
        if not got:
            break
        done += got
    return done


def _share(source: int, target: int, offset: int, length: int) -> int:
    request = bytearray(struct.pack("QQHHIqQQiI", offset, length, 1, 0, 0, target, offset, 0, 0, 0))
    try:
        fcntl.ioctl(source, _FIDEDUPERANGE, request)
    except OSError as problem:
        raise _typed(problem.errno or 0) from problem
    _, _, deduped, status, _ = struct.unpack_from("qQQiI", request, 24)
    if status < 0:
        raise _typed(-status)
    return int(deduped) if status == _SAME else 0


def _typed(number: int) -> OSError:
    kind = NoClones if number in _NONE else OSError
    return kind(number, os.strerror(number))


def extents(fd: int) -> tuple[tuple[int, int, int], ...] | None:
    """(offset, place on the device, length) of all data of a file; None where that can't be said.

    Two files with the same extents share all their data.
    """
    found: list[tuple[int, int, int]] = []
    start = 0
    while True:
        request = bytearray(struct.pack("QQIIII", start, (1 << 64) - 1 - start, 0, 0, _EXTENTS, 0))
        request += bytes(56 * _EXTENTS)
        try:
            fcntl.ioctl(fd, _FIEMAP, request)
        except OSError:
            return None
        (count,) = struct.unpack_from("I", request, 20)
        for at in range(count):
            offset, place, length, _, _, flags, *_ = struct.unpack_from("QQQQQIIII", request, 32 + 56 * at)
            if flags & _UNKNOWN:
                return None
            found.append((offset, place, length))
            start = offset + length
            if flags & _LAST:
                return tuple(found)
        if not count:
            return tuple(found)
