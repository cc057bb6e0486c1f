"""A copy of this process's executable that nobody can write to, for when its file is within reach.

A container can get hold of the program that starts it: an image's command may be `#!/proc/self/exe`
(CVE-2019-5736). A user namespace keeps it from the files of other users, but where the container's root
is the caller, and the caller's Python is the caller's own (pyenv, conda, uv), only a sealed copy helps:
that the kernel refuses to write to a running program ends with the last process that runs it.
"""

from __future__ import annotations

import errno
import os

from cowl.linux.syscalls import call

_EXECUTABLE = "/proc/self/exe"
_MFD_EXEC = 0x10  # Linux 6.3: asked for where vm.memfd_noexec is 1
_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034
_ALL_SEALS, _SEAL_WRITE = 0xF, 0x8  # seal, shrink, grow, write


def executable_is_own() -> bool:
    """Whether this process's user may write, or give themselves the right to write, its executable."""
    if is_sealed():
        return False
    return os.stat(_EXECUTABLE).st_uid == os.geteuid() or os.access(_EXECUTABLE, os.W_OK)


def sealed_executable() -> int:
    """A close-on-exec descriptor of the copy, memfd_create(2). Raises OSError."""
    source = os.open(_EXECUTABLE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        copy = _new_memory_file("cowl-python")
        try:
            while os.sendfile(copy, source, None, 1 << 30):
                pass
            call("fcntl", copy, _F_ADD_SEALS, _ALL_SEALS)
        except BaseException:
            os.close(copy)
            raise
    finally:
        os.close(source)
    return copy


def sealed_file(name: str, data: bytes) -> int:
    """A close-on-exec descriptor of a file in memory that can be executed and not be written to any more.

    Raises OSError.
    """
    fd = _new_memory_file(name)
    try:
        os.write(fd, data)
        call("fcntl", fd, _F_ADD_SEALS, _ALL_SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def is_sealed() -> bool:
    """Whether this process runs from such a copy already."""
    fd = os.open(_EXECUTABLE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return bool(call("fcntl", fd, _F_GET_SEALS) & _SEAL_WRITE)
    except OSError:  # EINVAL: no memory file
        return False
    finally:
        os.close(fd)


def _new_memory_file(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.memfd_create(name, flags)


def library_path(inherited: str) -> str:
    """LD_LIBRARY_PATH for the copy: what the original finds as $ORIGIN/../lib, then `inherited`."""
    beside = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(_EXECUTABLE))), "lib")
    return f"{beside}:{inherited}" if inherited else beside
