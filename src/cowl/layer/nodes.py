"""The nodes of a layer, made from the entries of its tar in an open directory.

Nothing is written through what exists: a name that is taken is freed first. See `unpack` for the order
of owners, attributes, modes and times.
"""

from __future__ import annotations

import errno
import os
from stat import S_ISDIR, S_ISLNK, S_ISREG

from cowl.layer import attributes, names
from cowl.layer.limits import LayerTooBig
from cowl.layer.ownership import apply_with
from cowl.layer.paths import open_inside
from cowl.layer.tar_fields import BadLayer
from cowl.layer.walk import walk
from cowl.layer.whiteout import PREFIX, is_whiteout, make_whiteout
from cowl.linux.files import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.layer.directories import Directories
    from cowl.layer.limits import Limits
    from cowl.layer.owners import Owners
    from cowl.layer.recipe import RecipeWriter, Shadows
    from cowl.layer.tar_entry import Entry
    from cowl.layer.tar_reader import TarReader
    from cowl.layer.view import MergedView, Node

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PARENT = os.O_PATH | os.O_DIRECTORY
_SENDFILE = 1 << 30


class Nodes:
    """Makes nodes below `directories`. Its methods raise BadLayer, LayerTooBig, OSError."""

    recipe: RecipeWriter | None = None
    shadows: Shadows | None = None

    def __init__(
        self,
        reader: TarReader,
        directories: Directories,
        owners: Owners,
        below: MergedView | None,
        limits: Limits,
    ) -> None:
        self._reader = reader
        self._directories = directories
        self._owners = owners
        self._below = below
        self._limits = limits

    def file(self, directory: int, name: bytes, entry: Entry) -> None:
        """A regular file with its data."""
        try:
            fd = os.open(name, _NEW, 0o600, dir_fd=directory)
        except FileExistsError:
            self._displace(directory, name)
            fd = os.open(name, _NEW, 0o600, dir_fd=directory)
        try:
            if entry.size:
                self._reader.copy(entry, fd)
                if self.recipe:
                    self._remember(self.recipe, name, entry)
            self._settle(fd, entry, directory=False)
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(fd)

    def directory(self, directory: int, name: bytes, entry: Entry) -> None:
        """A directory, new or known; it is entered, since its files come next as a rule."""
        opaque = False
        try:
            os.mkdir(name, 0o700, dir_fd=directory)
        except FileExistsError:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            opaque = is_whiteout(status)
            if not S_ISDIR(status.st_mode):
                self._displace(directory, name)
                os.mkdir(name, 0o700, dir_fd=directory)
        self._directories.push(name, entry.mtime)
        if opaque:
            self._directories.make_opaque()
        self.settle_directory(entry)

    def settle_directory(self, entry: Entry) -> None:
        """Gives the directory that was entered last the metadata of `entry`."""
        self._settle(self._directories.fd, entry, directory=True)
        self._directories.set_time(entry.mtime)

    def symbolic_link(self, directory: int, name: bytes, entry: Entry) -> None:
        """A symbolic link, whatever it says."""
        if not entry.link or len(entry.link) > self._limits.path_bytes:
            raise BadLayer(entry.name, "a symbolic link has no target, or one that is too long")
        self._make(directory, name, lambda: os.symlink(entry.link, name, dir_fd=directory))
        self._owners.apply_link(name, directory, entry.uid, entry.gid)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=directory, follow_symlinks=False)

    def fifo(self, directory: int, name: bytes, entry: Entry) -> None:
        """A FIFO."""
        self._make(directory, name, lambda: os.mkfifo(name, 0o600, dir_fd=directory))
        self._owners.apply_node(name, directory, entry.uid, entry.gid, entry.mode)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=directory, follow_symlinks=False)

    def device(self, directory: int, name: bytes, entry: Entry) -> None:  # noqa: ARG002
        """No device is made, but what the tar had of that name before is gone."""
        self._displace(directory, name)

    def whiteout(self, directory: int, name: bytes) -> None:
        """Hides `name` of the layers below; what this layer has of that name stays."""
        try:
            make_whiteout(name, directory)
        except FileExistsError:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if S_ISDIR(status.st_mode):
                self._directories.push(name, status.st_mtime_ns)
                self._directories.make_opaque()

    def hard_link(self, directory: int, name: bytes, entry: Entry) -> None:
        """Another name for a file of this layer, or for a copy of one below."""
        own = self._directories.path(name)
        target = names.plain(entry.link, self._limits) if entry.link else b""
        parent, _, base = target.rpartition(b"/")
        if not base or base.startswith(PREFIX):
            raise BadLayer(entry.name, "a hard link names no file")
        source = self._link_directory(parent, base, entry)
        try:
            status = self._link_target(source, base, own, target, entry)
            directory = self._directories.enter(own.rpartition(b"/")[0], entry.name, entry.mtime)
            self._link(source, base, directory, name, status)
        finally:
            os.close(source)

    # hard links

    def _link_directory(self, parent: bytes, base: bytes, entry: Entry) -> int:
        """An fd of the directory of a link's target, made like the one below if the layer has none."""
        try:
            fd = open_inside(self._directories.root_fd, parent, _PARENT)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            raise BadLayer(entry.name, f"a hard link leads through a link or file: {entry.link!r}") from error
        else:
            if self._below is None or _exists(base, fd):
                return fd
            os.close(fd)
        return os.dup(self._directories.enter(parent, entry.name, entry.mtime))

    def _link_target(
        self, source: int, base: bytes, own: bytes, target: bytes, entry: Entry
    ) -> os.stat_result:
        """The lstat of the target; one that lies below is copied up first."""
        try:
            status = os.stat(base, dir_fd=source, follow_symlinks=False)
        except FileNotFoundError:
            status = self._copy_up(source, base, entry)
        if target == own or target.startswith(own + b"/"):
            raise BadLayer(entry.name, "a hard link would replace its own target")
        if S_ISDIR(status.st_mode) or is_whiteout(status):
            raise BadLayer(entry.name, f"a hard link to what is no file: {entry.link!r}")
        return status

    def _link(self, source: int, base: bytes, directory: int, name: bytes, status: os.stat_result) -> None:
        try:
            present = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            pass
        else:
            if (present.st_dev, present.st_ino) == (status.st_dev, status.st_ino):
                return
            self._displace(directory, name)
        os.link(base, name, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False)
        self._mark(self._directories.path(name), status)

    def _copy_up(self, directory: int, name: bytes, entry: Entry) -> os.stat_result:
        """Brings the file of a layer below into the directory entered last, as overlayfs would."""
        path = self._directories.path(name)
        node = None
        if self._below and not self._directories.hides:
            node = self._below.lookup("/" + os.fsdecode(path), follow=False)
        if node is None or self._below is None:
            raise BadLayer(entry.name, f"a hard link to a file that is not there: {entry.link!r}")
        self._directories.needs_parent = True
        self._copy(node, self._below.owner(node, self._owners), directory, name, entry)
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        self._mark(path, status)
        return status

    def _copy(
        self, node: Node, owner: tuple[int, int, int], directory: int, name: bytes, entry: Entry
    ) -> None:
        times = (node.status.st_mtime_ns, node.status.st_mtime_ns)
        if node.is_file:
            self._copy_file(node, owner, directory, name)
        elif S_ISLNK(node.status.st_mode):
            os.symlink(node.target, name, dir_fd=directory)
            self._owners.apply_link(name, directory, owner[0], owner[1])
        else:
            raise BadLayer(entry.name, f"a hard link to a {node.kind} of a layer below: {entry.link!r}")
        os.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)

    def _copy_file(self, node: Node, owner: tuple[int, int, int], directory: int, name: bytes) -> None:
        self._reader.file_bytes += node.status.st_size
        if self._reader.file_bytes > self._limits.file_bytes:
            raise LayerTooBig("bytes of files", self._limits.file_bytes)
        source = os.open(node.host_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            sink = os.open(name, _NEW, 0o600, dir_fd=directory)
            try:
                while os.sendfile(sink, source, None, _SENDFILE):
                    pass
                apply_with(self._owners, sink, owner, attributes.read(source), directory=False)
            finally:
                os.close(sink)
        finally:
            os.close(source)

    # metadata, names that are taken, the recipe

    def _settle(self, fd: int, entry: Entry, *, directory: bool) -> None:
        if entry.xattrs:
            owner = (entry.uid, entry.gid, entry.mode)
            apply_with(self._owners, fd, owner, entry.xattrs, directory=directory)
        else:
            self._owners.apply(fd, entry.uid, entry.gid, entry.mode, directory=directory)

    def _make(self, directory: int, name: bytes, make: Callable[[], None]) -> None:
        try:
            make()
        except FileExistsError:
            self._displace(directory, name)
            make()

    def _displace(self, directory: int, name: bytes) -> None:
        """Frees a name of this layer; data that the recipe needs is kept."""
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return
        if S_ISDIR(status.st_mode):
            self._displace_tree(directory, name)
            return
        if self.shadows:
            self.shadows.keep(directory, name, self._directories.path(name), status)
        try:
            os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            return

    def _displace_tree(self, directory: int, name: bytes) -> None:
        top = f"/proc/self/fd/{directory}/{os.fsdecode(name)}"
        if self.shadows:
            path = self._directories.path(name)
            for frame, child, status, _ in walk(top):
                inner = os.fsencode(f"{frame.path}/{child}" if frame.path else child)
                self.shadows.keep(frame.fd, os.fsencode(child), path + b"/" + inner, status)
        remove_tree(top)

    def _remember(self, recipe: RecipeWriter, name: bytes, entry: Entry) -> None:
        path = self._directories.path(name)
        if entry.extents is None:
            recipe.file(path, entry.stored)
            return
        recipe.file(path, 0)
        for offset, length in entry.extents:
            if length:
                recipe.range(offset, length)

    def _mark(self, path: bytes, status: os.stat_result) -> None:
        """Counts a file with data that isn't the tar's own, for the numbers of overwritten ones."""
        if self.recipe and S_ISREG(status.st_mode) and status.st_size:
            self.recipe.file(path, 0)


def _exists(name: bytes, dir_fd: int) -> bool:
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
