"""The option tmpcopyup: a fresh tmpfs begins with what the image has at its place."""

from __future__ import annotations

import os
import stat

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20


def copy_up(source: int, target: int) -> None:
    """Copies directories, files and links between two open directories; no link is followed. Raises OSError.

    Devices, sockets and extended attributes are left out.
    """
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listdir(source):
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            inner = os.open(name, _DIRECTORY, dir_fd=source), os.open(name, _DIRECTORY, dir_fd=target)
            copy_up(*inner)
            for fd in inner:
                os.close(fd)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
        elif stat.S_ISREG(status.st_mode):
            _copy_file(source, target, name, status)


def _copy_file(source: int, target: int, name: str, status: os.stat_result) -> None:
    reader = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    writer = os.open(name, flags, 0o600, dir_fd=target)
    try:
        while os.sendfile(writer, reader, None, _CHUNK):
            pass
        os.fchown(writer, status.st_uid, status.st_gid)
        os.fchmod(writer, stat.S_IMODE(status.st_mode))
    finally:
        os.close(reader)
        os.close(writer)
