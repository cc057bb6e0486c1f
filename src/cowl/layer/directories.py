"""The directories of a layer while entries are put into them.

A stack of open directories from the root of diff/ to the one of the last entry. Each is opened by its
name in the one above it, O_NOFOLLOW, so nothing that the layer says leads out of the tree. When one is
left it gets the time back that it had when it was entered: no list of directories is kept, however
many there are.
"""

from __future__ import annotations

import errno
import os
from stat import S_ISLNK

from cowl.layer import attributes
from cowl.layer.tar_fields import BadLayer
from cowl.layer.whiteout import is_opaque, is_whiteout, make_opaque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.owners import Owners
    from cowl.layer.view import MergedView, Node

OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_A_DIRECTORY = (errno.ENOTDIR, errno.ELOOP)
_ALIASES = 40  # as path_resolution(7)


class _Level:
    """One open directory; `hidden`: nothing of what lies below it shows through."""

    __slots__ = ("fd", "hidden", "mtime", "name", "path")

    def __init__(self, fd: int, name: bytes, path: bytes, mtime: int, hidden: bool) -> None:
        self.fd = fd
        self.name = name
        self.path = path
        self.mtime = mtime
        self.hidden = hidden


class Directories:
    """Opens and makes directories below `diff_dir`.

    below         what the layer lies on: parents that the layer doesn't have are made like those there,
                  and links in it lead to where an entry really belongs
    needs_parent  whether anything depended on `below`, or on there being nothing
    """

    def __init__(self, diff_dir: str, owners: Owners, below: MergedView | None) -> None:
        self._owners = owners
        self._below = below
        self._entry = b""
        self._mtime = 0
        self._last: bytes | None = None
        self.needs_parent = False
        fd = os.open(diff_dir, OPEN)
        self._stack = [self._level(fd, b"", b"", hidden=False)]

    def __enter__(self) -> Directories:
        return self

    def __exit__(self, *_failure: object) -> None:
        while self._stack:
            self._leave()

    @property
    def fd(self) -> int:
        """The directory that was entered last; open until the next is."""
        return self._stack[-1].fd

    @property
    def root_fd(self) -> int:
        return self._stack[0].fd

    @property
    def hides(self) -> bool:
        """Whether nothing of what lies below it shows through."""
        return self._stack[-1].hidden

    def path(self, name: bytes) -> bytes:
        """Where `name` in it is, from the root of diff/: links of layers below are resolved in it."""
        here = self._stack[-1].path
        return here + b"/" + name if here else name

    def enter(self, path: bytes, entry: bytes, mtime: int) -> int:
        """Opens the directory `path` (no "", "." or ".." in it), making what is missing; gives its fd.

        `entry` is whom it is for, `mtime` (ns) what made directories get. Raises BadLayer, OSError.
        """
        if path == self._last:
            return self._stack[-1].fd
        self._entry, self._mtime = entry, mtime
        names = path.split(b"/") if path else []
        for _ in range(_ALIASES):
            alias = self._go(names)
            if alias is None:
                self._last = path
                return self._stack[-1].fd
            names = alias
        raise BadLayer(entry, "too many symbolic links lead to it")

    def push(self, name: bytes, mtime: int) -> None:
        """Enters the directory `name`, which is to get the time `mtime`. Raises OSError."""
        fd = os.open(name, OPEN, dir_fd=self.fd)
        path = self.path(name)
        self._stack.append(self._level(fd, name, path, self.hides))
        self._stack[-1].mtime = mtime
        self._last = path

    def set_time(self, mtime: int) -> None:
        """The time (ns) that the directory entered last gets when it is left."""
        self._stack[-1].mtime = mtime

    def make_opaque(self) -> None:
        """Hides what lies below the directory that was entered last."""
        make_opaque(self._stack[-1].fd)
        self._stack[-1].hidden = True

    def _level(self, fd: int, name: bytes, path: bytes, hidden: bool) -> _Level:
        status = os.fstat(fd)
        return _Level(fd, name, path, status.st_mtime_ns, hidden)

    def _leave(self) -> None:
        level = self._stack.pop()
        self._last = None
        try:
            os.utime(level.fd, ns=(level.mtime, level.mtime))
        finally:
            os.close(level.fd)

    def _go(self, names: list[bytes]) -> list[bytes] | None:
        """Makes the stack stand at `names`; gives other names if a link of a layer below leads there."""
        same = 0
        for level, name in zip(self._stack[1:], names, strict=False):
            if level.name != name:
                break
            same += 1
        while len(self._stack) > same + 1:
            self._leave()
        for index in range(same, len(names)):
            alias = self._descend(names[index])
            if alias is not None:
                return [name for name in alias.split(b"/") if name] + names[index + 1 :]
        return None

    def _descend(self, name: bytes) -> bytes | None:
        top = self._stack[-1]
        path = top.path + b"/" + name if top.path else name
        try:
            fd = os.open(name, OPEN, dir_fd=top.fd)
        except FileNotFoundError:
            return self._missing(name, path)
        except OSError as error:
            if error.errno not in _NOT_A_DIRECTORY:
                raise
            self._replace_whiteout(name, path)
            return None
        hidden = top.hidden or (self._below is not None and is_opaque(fd))
        self._stack.append(self._level(fd, name, path, hidden))
        return None

    def _replace_whiteout(self, name: bytes, path: bytes) -> None:
        """What stands in the way is removed if it is a whiteout; the directory then hides all below."""
        status = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        if not is_whiteout(status):
            kind = "symbolic link" if S_ISLNK(status.st_mode) else "file"
            raise BadLayer(self._entry, f"it lies below {_shown(path)}, a {kind} of the same layer")
        os.unlink(name, dir_fd=self.fd)
        self._make(name, None)
        self.make_opaque()

    def _missing(self, name: bytes, path: bytes) -> bytes | None:
        """The layer has no such directory so far: it is made like the one below, or a link followed."""
        self.needs_parent = True
        image_path = "/" + os.fsdecode(path)
        node = None
        if self._below and not self._stack[-1].hidden:
            node = self._below.lookup(image_path, follow=False)
            if node and node.path != image_path:  # a link there, but a directory in this layer
                node = None
            if node and S_ISLNK(node.status.st_mode):
                return self._alias(self._below, image_path)
        self._make(name, node if node and node.is_directory else None)
        return None

    def _alias(self, below: MergedView, image_path: str) -> bytes:
        target = below.lookup(image_path)
        if target and not target.is_directory:
            raise BadLayer(self._entry, f"it lies below {image_path!a}, which links to a {target.kind}")
        return os.fsencode(below.resolve(image_path))

    def _make(self, name: bytes, like: Node | None) -> None:
        """A parent that the layer needs but doesn't have, with the metadata that it has below."""
        os.mkdir(name, 0o700, dir_fd=self.fd)
        self.push(name, self._mtime)
        if like is None or self._below is None:
            self._owners.apply(self.fd, 0, 0, 0o755, directory=True)
            return
        self._owners.apply(self.fd, *self._below.owner(like, self._owners), directory=True)
        attributes.write(self.fd, attributes.read(like.host_path), privileged=not self._owners.recorded)
        self.set_time(like.status.st_mtime_ns)


def _shown(path: bytes) -> str:
    return repr(path.decode("utf-8", "backslashreplace"))
