"""The host's end of a copy: which file is meant, its tar, and a tar made into files there."""

from __future__ import annotations

import os
from stat import S_IMODE, S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISLNK, S_ISREG, S_ISSOCK

from cowl.layer.ownership import RealOwners
from cowl.layer.paths import open_inside
from cowl.transfer.copying import rules
from cowl.transfer.copying.failures import CannotCopy, NoSuchFile, from_os
from cowl.transfer.copying.rules import Place
from cowl.transfer.copying.tar_tree import land
from cowl.transfer.copying.tree_tar import TreeTar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.owners import Owners
    from cowl.layer.tar_entry import Entry
    from cowl.transfer.copying.session import Pipe

_LINKS = 10  # of a target, as Docker follows them
_FOLDER = os.O_PATH | os.O_DIRECTORY
_PLAIN_BITS = 0o1777  # set-id bits would mean another user than the container's


def source_place(path: str, *, follow: bool) -> Place:
    """The source at an absolute path. Links in the way are followed; one at its end if asked, or with a "/".

    Raises NoSuchFile, OSError.
    """
    name = ""
    try:
        if follow:
            found, name = rules.rename(path, os.path.realpath(path, strict=True))
        else:
            parent, _, base = path.rpartition("/")
            found = f"{os.path.realpath(parent or '/', strict=True).rstrip('/')}/{base}"
            if path.endswith("/"):
                name = os.path.basename(path.rstrip("/"))
                name = "" if name == os.path.basename(found.rstrip("/")) else name
        status = os.lstat(found)
    except (FileNotFoundError, NotADirectoryError):
        raise NoSuchFile(f"lstat {path}: no such file or directory") from None
    return Place(found, True, S_ISDIR(status.st_mode), name)


def target_place(path: str) -> Place:
    """The target at an absolute path; links at its end are followed. Raises CannotCopy, NoSuchFile."""
    check_output(path)
    asked = path
    for _ in range(_LINKS + 1):
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return _missing(path)
        if not S_ISLNK(status.st_mode):
            return Place(path, True, S_ISDIR(status.st_mode))
        path = os.path.join(rules.split(path)[0], os.readlink(path))
    raise CannotCopy(f"too many symlinks in {asked}")


def _missing(path: str) -> Place:
    parent = rules.split(path)[0]
    try:
        if S_ISDIR(os.stat(parent).st_mode):
            return Place(path, False)
    except FileNotFoundError:
        raise NoSuchFile(f"stat {parent}: no such file or directory") from None
    raise CannotCopy(f"{parent}: not a directory")


def check_output(path: str) -> None:
    """Whether a copy may go there at all. Raises CannotCopy."""
    parent = os.path.dirname(os.path.normpath(path))
    if parent and not os.path.exists(parent):
        raise CannotCopy(f'invalid output path: directory "{parent}" does not exist')
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if (why := refused_target(status.st_mode)) is not None:
        raise CannotCopy(f'invalid output path: "{path}" must be a directory or a regular file: {why}')


def refused_target(mode: int) -> str | None:
    """Why nothing is copied onto what has this mode; None if it may be."""
    if S_ISCHR(mode) or S_ISBLK(mode):
        return "got a device"
    return "got an irregular file" if S_ISFIFO(mode) or S_ISSOCK(mode) else None


def content_bytes(place: Place) -> int:
    """The length of a file, or of all files of a directory. What can't be read counts as nothing."""
    if not place.directory:
        status = os.lstat(place.path)
        return status.st_size if S_ISREG(status.st_mode) else 0
    total = 0
    for folder, _, names in os.walk(place.path):
        for name in names:
            try:
                status = os.lstat(f"{folder}/{name}")
            except FileNotFoundError:
                continue
            total += status.st_size if S_ISREG(status.st_mode) else 0
    return total


def write_tar(place: Place, name: str, pipe: Pipe) -> None:
    """The tar of a source, called `name` in it. Raises Denied, NoSuchFile, OSError of the pipe."""
    tar = TreeTar(pipe.write, _own)
    try:
        if place.directory:
            tar.directory(place.path, os.fsencode(name))
        else:
            parent, base = rules.split(place.path)
            fd = os.open(parent, _FOLDER | os.O_CLOEXEC)
            try:
                status = os.stat(base, dir_fd=fd, follow_symlinks=False)
                tar.node(fd, os.fsencode(base), os.fsencode(name), status)
            finally:
                os.close(fd)
        tar.end()
    except BrokenPipeError:
        raise
    except OSError as problem:
        where = f"{place.path} ({os.fsdecode(problem.filename)})" if problem.filename else place.path
        raise from_os(problem, where) from problem


def _own(_where: int | bytes, status: os.stat_result) -> tuple[int, int, int]:
    return status.st_uid, status.st_gid, S_IMODE(status.st_mode)


class HostLanding:
    """A directory of the host, named by the caller. No link below it is followed.

    archive  the numbers of the container's owners are kept, with all rights of its files
    """

    def __init__(self, directory: str, *, archive: bool) -> None:
        self._fd = os.open(directory, _FOLDER | os.O_CLOEXEC)
        self._archive = archive
        self.owners: Owners = RealOwners() if archive else _OwnersHere()
        self.devices = os.geteuid() == 0

    def enter(self, path: bytes) -> int:
        """See tar_tree.Landing."""
        return open_inside(self._fd, path, _FOLDER)

    def dress(self, entry: Entry) -> tuple[int, int, int]:
        """See tar_tree.Landing."""
        return entry.uid, entry.gid, entry.mode if self._archive else entry.mode & _PLAIN_BITS

    def capable(self, entry: Entry) -> bool:  # noqa: ARG002
        """See tar_tree.Landing."""
        return self._archive

    def close(self) -> None:
        os.close(self._fd)


class _OwnersHere:
    """Files belong to who copies."""

    recorded = False

    def apply(self, fd: int, uid: int, gid: int, mode: int, *, directory: bool) -> None:  # noqa: ARG002
        os.fchmod(fd, mode)

    def apply_node(self, name: str | bytes, dir_fd: int | None, uid: int, gid: int, mode: int) -> None:  # noqa: ARG002
        os.chmod(name, mode, dir_fd=dir_fd)

    def apply_link(self, name: str | bytes, dir_fd: int | None, uid: int, gid: int) -> None:
        """Nothing."""

    def read(self, where: int | str | bytes, status: os.stat_result) -> tuple[int, int, int]:
        return _own(0 if isinstance(where, int) else b"", status)


def land_tar(pipe: Pipe, directory: str, *, archive: bool) -> None:
    """Makes what the tar holds in a directory. Owners are kept with `archive`, as far as root may.

    Raises InTheWay, DeviceRefused, Denied, CannotCopy.
    """
    landing = HostLanding(directory, archive=archive and os.geteuid() == 0)
    try:
        land(pipe, landing)
    except OSError as problem:
        name = os.fsdecode(problem.filename) if problem.filename else ""
        raise from_os(problem, os.path.join(directory, name)) from problem
    finally:
        landing.close()
