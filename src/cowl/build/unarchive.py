"""An archive put into a diff tree, as ADD does it: merged with what is there, entry by entry.

The rules are BuildKit's. What stands in the way of an entry goes, but a directory takes in another one.
Links in the archive and in the image are followed in the parents of a name, never at its end, and never
out of the directory that is unpacked into: for them it is "/". Devices and FIFOs are left out.
"""

from __future__ import annotations

import os

from cowl.build.tree import DIRECTORY, SYMLINK
from cowl.errors import Invalid
from cowl.layer import names, tar_entry
from cowl.layer.compression import BadCompression
from cowl.layer.limits import LayerTooBig
from cowl.layer.tar_fields import BadLayer
from cowl.layer.whiteout import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.diff_tree import DiffTree
    from cowl.layer.limits import Limits
    from cowl.layer.tar_entry import Entry
    from cowl.layer.tar_reader import TarReader

_LINKS = 40  # as path_resolution(7)
_LEFT_OUT = (tar_entry.CHARACTER, tar_entry.BLOCK_DEVICE, tar_entry.FIFO)


class BadArchive(Invalid):
    """An archive is damaged, or asks for what none may do. Fields: archive, why."""

    def __init__(self, archive: str, why: str) -> None:
        super().__init__(f"can't unpack {archive}: {why}")
        self.archive = archive
        self.why = why


def unarchive(
    archive: str,
    reader: TarReader,
    first: Entry,
    tree: DiffTree,
    dest: str,
    *,
    owner: tuple[int, int] | None = None,
    limits: Limits,
    layer: bool = True,
) -> None:
    """Unpacks what `reader` has, of which `first` is taken already, into the directory `dest` of `tree`.

    archive  what messages call it
    dest     a path in the image; what is missing of it is made, 0755 and of `owner`
    owner    of all that is made; None: as the archive says
    layer    whether the tree becomes a layer, which can't hold every name
    Raises BadArchive, CantReplace, OSError, and what the stream of `reader` raises.
    """
    unpacking = _Unarchiving(reader, tree, tree.make_directories(dest, owner), owner, limits)
    unpacking.layer = layer
    entry: Entry | None = first
    try:
        while entry is not None:
            unpacking.put(entry)
            entry = reader.next()
    except BadLayer as problem:
        raise BadArchive(archive, problem.message.removeprefix("bad layer: ")) from problem
    except LayerTooBig as problem:
        raise BadArchive(archive, f"it has more than {problem.limit} {problem.what}") from problem
    except BadCompression as problem:
        raise BadArchive(archive, f"{problem.compression}: {problem.why}") from problem


class _Unarchiving:
    """`top` is a real directory; nothing is made anywhere else."""

    layer = True

    def __init__(
        self, reader: TarReader, tree: DiffTree, top: str, owner: tuple[int, int] | None, limits: Limits
    ) -> None:
        self._reader = reader
        self._tree = tree
        self._top = top.rstrip("/")
        self._owner = owner
        self._limits = limits
        self._parents: dict[bytes, str] = {}  # as spelled, to where they really are

    def put(self, entry: Entry) -> None:
        """Makes one entry."""
        if entry.type in _LEFT_OUT:
            return
        name = names.plain(entry.name, self._limits)
        if not name:
            return  # the archive's root: its metadata stay behind, as those of a copied directory do
        if self.layer and (name.startswith(PREFIX) or b"/" + PREFIX in name):
            raise BadLayer(entry.name, "in an image, a name that starts with .wh. means a deletion")
        path = self._place(name, entry)
        if entry.type == tar_entry.DIRECTORY:
            self._directory(path, entry)
        elif entry.type == tar_entry.REGULAR:
            self._file(path, entry)
        elif entry.type == tar_entry.SYMBOLIC_LINK:
            self._symlink(path, entry)
        elif entry.type == tar_entry.HARD_LINK:
            self._hard_link(path, entry)
        else:
            raise BadLayer(entry.name, f"its type {entry.type.decode('latin-1')!r} has no meaning here")

    def _directory(self, path: str, entry: Entry) -> None:
        kind = self._tree.kind(path)
        if kind and kind != DIRECTORY:
            self._clear(path)
        self._tree.put_directory(path, self._owner_of(entry), entry.mode, entry.mtime, entry.xattrs)

    def _file(self, path: str, entry: Entry) -> None:
        self._clear(path)
        owner = self._owner_of(entry)

        def fill(fd: int) -> None:
            if entry.size:
                self._reader.copy(entry, fd)

        self._tree.write_file(path, fill, owner, entry.mode, entry.mtime, entry.xattrs)

    def _symlink(self, path: str, entry: Entry) -> None:
        if not entry.link or len(entry.link) > self._limits.path_bytes:
            raise BadLayer(entry.name, "a symbolic link has no target, or one that is too long")
        self._clear(path)
        self._tree.make_symlink(path, os.fsdecode(entry.link), self._owner_of(entry), entry.mtime)

    def _hard_link(self, path: str, entry: Entry) -> None:
        target = names.plain(entry.link, self._limits) if entry.link else b""
        if not target:
            raise BadLayer(entry.name, "a hard link names no file")
        source = self._place(target, entry)
        if source == path:
            return
        kind = self._tree.kind(source)
        if not kind or kind == DIRECTORY:
            shown = entry.link.decode("utf-8", "backslashreplace")
            raise BadLayer(entry.name, f"a hard link to what is no file: {shown!r}")
        if source.startswith(f"{path}/"):
            raise BadLayer(entry.name, "a hard link would replace its own target")
        self._tree.copy_up(source)
        self._clear(path)
        if not self._tree.make_link(path, source):
            raise BadLayer(entry.name, "the file that it links to has as many names as it can have")

    def _owner_of(self, entry: Entry) -> tuple[int, int]:
        return self._owner or (entry.uid, entry.gid)

    # Where things go

    def _clear(self, path: str) -> None:
        kind = self._tree.kind(path)
        if kind in (DIRECTORY, SYMLINK):
            self._parents.clear()
        if kind:
            self._tree.clear(path)

    def _place(self, name: bytes, entry: Entry) -> str:
        """The real path of a name: links in its parents followed, missing parents made."""
        parent, _, base = name.rpartition(b"/")
        found = self._parents.get(parent)
        if found is None:
            found = self._parents[parent] = self._parent(os.fsdecode(parent), entry)
        return f"{found}/{os.fsdecode(base)}"

    def _parent(self, path: str, entry: Entry) -> str:
        pending = path.split("/")[::-1]
        here: list[str] = []
        links = 0
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if not here:
                    raise BadLayer(entry.name, "a symbolic link on its way leads out of the destination")
                here.pop()
                continue
            current = "/".join((self._top, *here, name))
            kind = self._tree.kind(current)
            if kind == SYMLINK:
                links += 1
                if links > _LINKS:
                    raise BadLayer(entry.name, "too many symbolic links lead to it")
                target = self._tree.target(current)
                if target.startswith("/"):
                    here.clear()
                pending.extend(target.split("/")[::-1])
                continue
            if not kind:
                self._tree.put_directory(current, (0, 0), 0o755, None)
            elif kind != DIRECTORY:
                raise BadLayer(entry.name, f"it lies below {current!a}, which is a {kind}")
            here.append(name)
        return "/".join((self._top, *here))
