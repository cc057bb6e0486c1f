"""What is done among a container's files, by a process in its namespaces that serves one copy.

Nothing of the image is executed, imported or asked: paths are resolved by the kernel below the root, and
what this needs is imported before (see `Runtime.visit`). Requests and answers are JSON messages; the bytes of
files come and go through pipes that a request brings along.
"""

from __future__ import annotations

import json
import os
from stat import S_ISDIR, S_ISLNK, S_ISREG

from cowl.errors import CowlError
from cowl.layer.ownership import RealOwners, RecordedOwners
from cowl.linux import channel, credentials
from cowl.linux.files import open_beneath
from cowl.runtime.targets import resolved
from cowl.transfer.copying import failures
from cowl.transfer.copying.failures import CannotCopy, FileTooBig, NoSuchFile, ReadOnlyPlace
from cowl.transfer.copying.tar_tree import land, replace
from cowl.transfer.copying.tree_tar import TreeTar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from cowl.layer.owners import Owners
    from cowl.layer.tar_entry import Entry

    Request: TypeAlias = "dict[str, Any]"

_CHANNEL = 0
_PLACE = os.O_PATH | os.O_CLOEXEC
_FOLDER = _PLACE | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
_READ_ONLY = 1  # ST_RDONLY
SET_IDS = 0o6000


def serve(root: int) -> None:
    """Answers requests until the other end of the channel is closed."""
    credentials.ignore_broken_pipes()
    os.umask(0)
    while True:
        data, fds = channel.receive(_CHANNEL)
        if not data:
            return
        request = json.loads(data)
        stream = _Stream(fds[0] if fds else -1)
        try:
            answer = _CALLS[request["call"]](root, request, stream)
        except (CowlError, OSError, ValueError, RecursionError, MemoryError) as error:
            answer = failures.written(error, _about(error, request["path"]))
        finally:
            stream.close()
        channel.send(_CHANNEL, json.dumps(answer).encode())


def _about(error: BaseException, path: str) -> str:
    name = getattr(error, "filename", None)
    return f"{path} ({os.fsdecode(name)})" if name and isinstance(name, (str, bytes)) else path


class _Stream:
    """The pipe of a request."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int = -1) -> bytes:
        return os.read(self._fd, size)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _Landing:
    """A directory of the container, below which links are followed, but never out of the container.

    root: whoever brings the files, they belong to the container's root
    """

    def __init__(self, root: int, request: Request) -> None:
        self._root = root
        self._base = os.fsencode(request["path"]).rstrip(b"/")
        self._given = not request["archive"]
        self.owners: Owners = RecordedOwners() if request["recorded"] else RealOwners()
        self.devices = not request["mapped"]

    def enter(self, path: bytes) -> int:
        place = self._base + b"/" + path
        try:
            return open_beneath(self._root, place, _FOLDER)
        except FileNotFoundError:
            self._make(path)
            return open_beneath(self._root, place, _FOLDER)

    def _make(self, path: bytes) -> None:
        names = path.split(b"/")
        for count in range(len(names)):
            fd = open_beneath(self._root, self._base + b"/" + b"/".join(names[:count]), _FOLDER)
            try:
                os.mkdir(names[count], 0o755, dir_fd=fd)
            except FileExistsError:
                pass
            finally:
                os.close(fd)

    def dress(self, entry: Entry) -> tuple[int, int, int]:
        if not self._given:
            return entry.uid, entry.gid, entry.mode
        return 0, 0, entry.mode if self.capable(entry) else entry.mode & ~SET_IDS

    def capable(self, entry: Entry) -> bool:
        """Rights of a file are those of its owner: they go when it gets another one."""
        return not self._given or (entry.uid, entry.gid) == (0, 0)


def _stat(root: int, request: Request, _stream: _Stream) -> Request:
    """What is at a path; of a link also where it leads, inside the container."""
    path = request["path"]
    found = _look(root, path)
    link = "/" + "/".join(resolved(root, path)) if S_ISLNK(found.st_mode) else ""
    return {"mode": found.st_mode, "size": found.st_size, "link": link}


def _look(root: int, path: str) -> os.stat_result:
    """Its lstat; "/" or "/." at its end follows."""
    parent, name = path.rpartition("/")[::2]
    if not name or name == ".":
        fd = open_beneath(root, path, _FOLDER)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)
    fd = open_beneath(root, parent, _FOLDER)
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    finally:
        os.close(fd)


def _get(root: int, request: Request, stream: _Stream) -> Request:
    """Its tar, in which it is called as the request says."""
    path, name = request["path"], os.fsencode(request["name"])
    owners: Owners = RecordedOwners() if request["recorded"] else RealOwners()
    tar = TreeTar(stream.write, owners.read)
    found = _look(root, path)
    if S_ISDIR(found.st_mode):
        fd = open_beneath(root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fchdir(fd)
        os.close(fd)
        tar.directory(".", name)
    else:
        parent, _, base = path.rpartition("/")
        fd = open_beneath(root, parent, _FOLDER)
        tar.node(fd, os.fsencode(base), name, found)
        os.close(fd)
    tar.end()
    return {"file_bytes": tar.file_bytes}


def _put(root: int, request: Request, stream: _Stream) -> Request:
    """Makes what a tar holds in a directory."""
    path = request["path"]
    try:
        fd = open_beneath(root, path, _PLACE)
    except FileNotFoundError:
        raise NoSuchFile(f"Could not find the file {path} in container {request['container']}") from None
    try:
        if not S_ISDIR(os.fstat(fd).st_mode):
            raise CannotCopy("extraction point is not a directory", hint=f"{path} is none")
        _check_writable(root, fd)
    finally:
        os.close(fd)
    land(stream, _Landing(root, request))
    return {}


def _check_writable(root: int, fd: int) -> None:
    if not os.fstatvfs(fd).f_flag & _READ_ONLY:
        return
    if os.fstat(root).st_dev == os.fstat(fd).st_dev:
        raise ReadOnlyPlace("container rootfs is marked read-only", hint="copy into one of its volumes")
    raise ReadOnlyPlace("mounted volume is marked read-only")


def _read(root: int, request: Request, stream: _Stream) -> Request:
    """The bytes of a file; links lead to it."""
    fd = open_beneath(root, request["path"], _PLACE)
    try:
        found = os.fstat(fd)
    finally:
        os.close(fd)
    if not S_ISREG(found.st_mode):
        raise CannotCopy(f"{request['path']} is no file")  # and is not opened: a FIFO would wait
    fd = open_beneath(root, request["path"], _READ)
    try:
        limit = request["limit"]
        if not S_ISREG(os.fstat(fd).st_mode):
            raise CannotCopy(f"{request['path']} is no file")
        if os.fstat(fd).st_size > limit:
            raise FileTooBig(
                f"{request['path']} has more than {limit} bytes", hint="say limit=..., or copy it"
            )
        while limit >= 0 and (data := os.read(fd, min(_CHUNK, limit + 1))):
            limit -= len(data)
            stream.write(data)
    finally:
        os.close(fd)
    if limit < 0:
        raise FileTooBig(f"{request['path']} has more than {request['limit']} bytes")
    return {}


def _write(root: int, request: Request, stream: _Stream) -> Request:
    """A whole file in the place of what is there, or where a link at its place leads."""
    *folders, name = resolved(root, request["path"]) or [""]
    if not name:
        raise CannotCopy("/ is a directory")
    parent = open_beneath(root, "/".join(folders), _FOLDER)
    temporary = b".cowl-" + os.urandom(8).hex().encode()
    try:
        _check_writable(root, parent)
        owner = _owner_of(parent, name, request)
        fd = os.open(temporary, _NEW, 0o600, dir_fd=parent)
        try:
            while data := stream.read(_CHUNK):
                _Stream(fd).write(data)
            owners: Owners = RecordedOwners() if request["recorded"] else RealOwners()
            owners.apply(fd, *owner, directory=False)
        finally:
            os.close(fd)
        replace(parent, temporary, os.fsencode(name))
    except BaseException:
        try:
            os.unlink(temporary, dir_fd=parent)
        except OSError:
            pass
        raise
    finally:
        os.close(parent)
    return {}


def _owner_of(parent: int, name: str, request: Request) -> tuple[int, int, int]:
    """As asked for, else as that of the file that is replaced, else root's own, 0644."""
    uid, gid, mode = 0, 0, 0o644
    owners: Owners = RecordedOwners() if request["recorded"] else RealOwners()
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        pass
    else:
        if not S_ISREG(found.st_mode):
            raise CannotCopy(f"{request['path']} is no file")
        fd = os.open(name, _READ | os.O_NOFOLLOW, dir_fd=parent)
        try:
            uid, gid, mode = owners.read(fd, os.fstat(fd))
        finally:
            os.close(fd)
    if request["owner"] is not None:
        uid, gid = request["owner"]
    return uid, gid, mode if request["mode"] is None else request["mode"]


_CALLS: dict[str, Callable[[int, Request, _Stream], Request]] = {
    "stat": _stat,
    "get": _get,
    "put": _put,
    "read": _read,
    "write": _write,
}
