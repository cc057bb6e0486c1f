"""A layer in the making: files put into a diff tree, as they will be seen over the layers below.

No namespace and no mount is needed: what lies below is looked at through a MergedView, and every path
is resolved inside the image's root, so a link of the image's never leads to the host.
"""

from __future__ import annotations

import errno
import os
import stat

from cowl.build.tree import DIRECTORY, NOW, SYMLINK, attributes_of, kind_of
from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.build.tree import Entry
    from cowl.layer.attributes import Attributes
    from cowl.layer.owners import Owners
    from cowl.layer.view import MergedView

_CHUNK = 1 << 30
_PLAIN_DIRECTORY = 0o755


class CantReplace(Invalid):
    """What is to be copied and what is there do not fit. Fields: path (in the image), reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


class DiffTree:
    """The tree `diff`, seen over `below`. Paths are absolute paths in the image, without "." and "..".

    `view` is the merged view of both. Call `settle` at the end: directories then have their times.
    """

    def __init__(self, diff: str, view: MergedView, below: MergedView, owners: Owners) -> None:
        self._diff = diff
        self._view = view
        self._below = below
        self._owners = owners
        self._fresh: set[str] = set()
        self._cleared: set[str] = set()
        self._touched: dict[str, int | None] = {}
        self.made: list[str] = []

    def resolve(self, path: str) -> str:
        """`path` with the image's links resolved; what is missing of it stays as it is."""
        return self._view.resolve(path)

    def kind(self, path: str) -> str:
        """What stands at the resolved `path`: "" for nothing, else a kind of `cowl.build.tree`."""
        if path == "/":
            return DIRECTORY
        if os.path.dirname(path) in self._fresh or path in self._cleared:
            return _kind_on_disk(self._host(path))
        node = self._view.lookup(path, follow=False)
        return "" if node is None else kind_of(node.status)

    def target(self, path: str) -> str:
        """What the symbolic link at the resolved `path` says."""
        if os.path.dirname(path) in self._fresh:
            return os.readlink(self._host(path))
        node = self._view.lookup(path, follow=False)
        return "" if node is None else node.target

    def make_directories(self, path: str, owner: tuple[int, int] | None) -> str:
        """The resolved `path`, where missing directories were made, 0755 and of that owner or root.

        As with mkdir(2), a parent with the setgid bit hands that down, and its group when there is no
        `owner`. Raises CantReplace when a file is in the way.
        """
        path = self.resolve(path)
        parts = [part for part in path.split("/") if part]
        for count in range(1, len(parts) + 1):
            each = "/" + "/".join(parts[:count])
            kind = self.kind(each)
            if not kind:
                self._mkdir(each, *self._plain(os.path.dirname(each), owner))
            elif kind != DIRECTORY:
                raise CantReplace(each, f"{each} is not a directory")
        return path

    def _plain(self, parent: str, owner: tuple[int, int] | None) -> tuple[int, int, int]:
        """uid, gid and mode of a directory that is made in `parent`."""
        node = self._view.lookup(parent, follow=False)
        _, group, mode = (0, 0, 0) if node is None else self._view.owner(node, self._owners)
        handed_down = mode & stat.S_ISGID
        uid, gid = owner or (0, group if handed_down else 0)
        return uid, gid, _PLAIN_DIRECTORY | handed_down

    def make_directory(self, path: str, entry: Entry, owner: tuple[int, int], mode: int) -> None:
        """A directory of a copied tree: made, or given the metadata of `entry`. Raises CantReplace."""
        self.put_directory(path, owner, mode, entry.mtime_ns)

    def put_directory(
        self,
        path: str,
        owner: tuple[int, int],
        mode: int,
        mtime_ns: int | None,
        xattrs: Attributes = (),
    ) -> None:
        """A directory made, or given this metadata if it is there. Without `mtime_ns` its time is now's.

        Raises CantReplace when something else is there.
        """
        kind = self.kind(path)
        if kind and kind != DIRECTORY:
            raise CantReplace(path, f"cannot copy to non-directory: {path}")
        if not kind:
            self._mkdir(path, *owner, mode)
        else:
            self._prepare(f"{path}/x")
            self._own(path, *owner, mode)
        if xattrs:
            self._set_xattrs(path, owner, mode, xattrs)
        self._touched[path] = mtime_ns

    def make_file(self, path: str, source: int, owner: tuple[int, int], mode: int, mtime_ns: int) -> None:
        """A regular file with the bytes and the extended attributes of the fd `source`."""
        xattrs = attributes_of(source)
        self.write_file(path, lambda fd: copy_bytes(source, fd), owner, mode, mtime_ns, xattrs)

    def write_file(
        self,
        path: str,
        fill: Callable[[int], None],
        owner: tuple[int, int],
        mode: int,
        mtime_ns: int,
        xattrs: Attributes = (),
    ) -> None:
        """A regular file with the bytes that `fill` writes to the fd of the empty one."""
        host = self._make_room(path)
        fd = os.open(host, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fill(fd)
            if xattrs:
                from cowl.layer.ownership import apply_with

                apply_with(self._owners, fd, (*owner, mode), xattrs, directory=False)
            else:
                self._owners.apply(fd, *owner, mode, directory=False)
            if mtime_ns != NOW:
                os.utime(fd, ns=(mtime_ns, mtime_ns))
        finally:
            os.close(fd)

    def copy_up(self, path: str) -> None:
        """Brings the file or symbolic link at the resolved `path` into the diff tree, unchanged.

        Raises CantReplace for what can't be copied.
        """
        if os.path.lexists(self._host(path)):
            return
        node = self._below.lookup(path, follow=False)
        assert node is not None, path
        uid, gid, mode = self._below.owner(node, self._owners)
        if node.kind == SYMLINK:
            self.make_symlink(path, node.target, (uid, gid), node.status.st_mtime_ns)
            return
        if not node.is_file:
            raise CantReplace(path, f"{path} is a {node.kind}: it can't get another name")
        from cowl.layer.attributes import read

        source = self._below.open(path)
        try:
            xattrs = read(source)
            self.write_file(
                path, lambda fd: copy_bytes(source, fd), (uid, gid), mode, node.status.st_mtime_ns, xattrs
            )
        finally:
            os.close(source)

    def clear(self, path: str) -> None:
        """Frees the resolved `path`, a whole tree if need be, for what is made there next and hides it.

        Nothing is deleted from the layers below: whatever is not made there shows through again.
        """
        from cowl.linux.files import remove_tree

        host = self._host(path)
        if os.path.lexists(host):
            remove_tree(host)
        self._cleared.add(path)
        inside = f"{path}/"
        self._fresh = {each for each in self._fresh if each != path and not each.startswith(inside)}
        for each in [each for each in self._touched if each == path or each.startswith(inside)]:
            del self._touched[each]

    def make_link(self, path: str, first: str) -> bool:
        """Another name for the file that was made at `first`; False when it has as many as it can have."""
        host = self._make_room(path)
        try:
            os.link(self._host(first), host, follow_symlinks=False)
        except OSError as problem:
            if problem.errno != errno.EMLINK:
                raise
            return False
        return True

    def make_symlink(self, path: str, target: str, owner: tuple[int, int], mtime_ns: int) -> None:
        """A symbolic link; its target is not looked at."""
        host = self._make_room(path)
        os.symlink(target, host)
        self._owners.apply_link(host, None, *owner)
        os.utime(host, ns=(mtime_ns, mtime_ns), follow_symlinks=False)

    def make_fifo(self, path: str, owner: tuple[int, int], mode: int, mtime_ns: int) -> None:
        """A named pipe."""
        host = self._make_room(path)
        os.mkfifo(host, 0o600)
        self._owners.apply_node(host, None, *owner, mode)
        os.utime(host, ns=(mtime_ns, mtime_ns), follow_symlinks=False)

    def settle(self) -> None:
        """Gives directories the times that they should have, after the last file was put into them."""
        for path, mtime_ns in self._touched.items():
            if mtime_ns is not None:
                os.utime(self._host(path), ns=(mtime_ns, mtime_ns))

    def _make_room(self, path: str) -> str:
        """The host's path for a new file: parents there, what it replaces gone. Raises CantReplace."""
        kind = self.kind(path)
        if kind == DIRECTORY:
            raise CantReplace(path, f"cannot replace to directory {path} with file")
        self._prepare(path)
        host = self._host(path)
        if kind:
            try:
                os.unlink(host)
            except FileNotFoundError:
                pass  # it is in a layer below
        return host

    def _mkdir(self, path: str, uid: int, gid: int, mode: int) -> None:
        self._prepare(path)
        os.mkdir(self._host(path), 0o700)
        if path in self._cleared:
            self._hide_below(path)
        self._own(path, uid, gid, mode)
        self._fresh.add(path)
        self._touched.setdefault(path, None)
        self.made.append(path)

    def _hide_below(self, path: str) -> None:
        """What took the place of a file hides the directory that the layers below have there, if any."""
        node = self._below.lookup(path, follow=False)
        if node is not None and node.is_directory:
            from cowl.layer.whiteout import make_opaque

            make_opaque(self._host(path))

    def _set_xattrs(self, path: str, owner: tuple[int, int], mode: int, xattrs: Attributes) -> None:
        from cowl.layer.ownership import apply_with

        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._host(path), flags)
        try:
            apply_with(self._owners, fd, (*owner, mode), xattrs, directory=True)
        finally:
            os.close(fd)

    def _own(self, path: str, uid: int, gid: int, mode: int) -> None:
        from cowl.layer.ownership import apply_path

        apply_path(self._owners, self._host(path), uid, gid, mode)

    def _prepare(self, path: str) -> None:
        """Makes the parents of `path` in the diff tree, looking as they do below."""
        parent = os.path.dirname(path)
        if parent in self._touched:
            return
        from cowl.layer.materialize import ensure_parents

        ensure_parents(self._diff, path, self._below, self._owners)
        while parent not in self._touched:
            node = self._below.lookup(parent, follow=False)
            self._touched[parent] = None if node is None else node.status.st_mtime_ns
            parent = os.path.dirname(parent)

    def _host(self, path: str) -> str:
        return self._diff + path if path != "/" else self._diff


def copy_bytes(source: int, target: int) -> None:
    """All bytes from one fd to another; shared instead of copied where the file system can do that."""
    try:
        while os.copy_file_range(source, target, _CHUNK):
            pass
    except OSError as problem:
        if problem.errno in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            _copy_plainly(source, target)
            return
        raise


def _copy_plainly(source: int, target: int) -> None:
    """From where both files stand now."""
    while data := os.read(source, 1 << 20):
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(target, rest) :]


def _kind_on_disk(host: str) -> str:
    try:
        return kind_of(os.lstat(host))
    except FileNotFoundError:
        return ""
