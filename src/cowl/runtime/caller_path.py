"""The file that another, hostile process means by a path: its root and directories, from outside.

Everything is opened O_PATH, so no fifo blocks and no device wakes, and nothing is found that lies outside
the caller's root. What it finds may be stale at once: the caller can rename and rewrite at any moment.
"""

from __future__ import annotations

import errno
import os
import stat

from cowl.linux.files import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, open_beneath, openat2

AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH = -100, 0x100, 0x1000
_PLACE = os.O_PATH | os.O_CLOEXEC


class CallerPath:
    """Opens the files of one thread. A context manager: it holds descriptors.

    After it is made, check that the thread is still the one that was meant: its pid may have been reused
    before, but no longer matters after. Raises OSError with what the thread's call should fail with.
    """

    def __init__(self, proc_fd: int, pid: int, directory: int) -> None:
        self._proc_fd = proc_fd
        self._thread = f"{pid}"
        self._held: list[int] = []
        self._base_name = "cwd" if directory == AT_FDCWD else f"fd/{directory}"
        self._base = -1
        try:
            self._root = self._hold(os.open(f"{pid}/root", _PLACE, dir_fd=proc_fd))
        except OSError:
            self.close()
            raise OSError(errno.EPERM, os.strerror(errno.EPERM)) from None
        try:
            self._base = self._hold(os.open(f"{pid}/{self._base_name}", _PLACE, dir_fd=proc_fd))
        except OSError:
            pass  # an absolute path does not need it

    def __enter__(self) -> CallerPath:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes what it holds, but not what it gave."""
        while self._held:
            os.close(self._held.pop())

    @property
    def root(self) -> int:
        """A descriptor of the thread's root directory; belongs to this object."""
        return self._root

    def _hold(self, fd: int) -> int:
        self._held.append(fd)
        return fd

    def open(self, path: bytes, *, follow: bool) -> int:
        """An O_PATH descriptor of what the thread means by `path`; the caller of this closes it."""
        if not path:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        flags = _PLACE if follow else _PLACE | os.O_NOFOLLOW
        if path.startswith(b"/"):
            return open_beneath(self._root, path, flags)
        if not stat.S_ISDIR(os.fstat(self.base).st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return self._open_from_base(path, flags)

    @property
    def base(self) -> int:
        """A descriptor of the directory, or the file, that the call starts from; belongs to this object."""
        if self._base < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._base

    def _open_from_base(self, path: bytes, flags: int) -> int:
        """A relative path. Where it stays below the base, that decides; else it goes by the base's name."""
        try:
            return openat2(self._base, path, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EAGAIN, errno.ENOSYS):
                raise
        return open_beneath(self._root, self._name_of_base() + b"/" + path, flags)

    def _name_of_base(self) -> bytes:
        """The base's path below the thread's root. The kernel tells both from the mount namespace's top."""
        thread = self._thread.encode()
        root = os.readlink(thread + b"/root", dir_fd=self._proc_fd).rstrip(b"/")
        base = os.readlink(thread + b"/" + self._base_name.encode(), dir_fd=self._proc_fd)
        if not (base + b"/").startswith(root + b"/"):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))  # left its root: nothing is recorded there
        return base[len(root) :]
