"""A layer's tar made into a tree in diff form, trusting nothing that the tar says.

Every node is made by its last name in an open directory (see `directories`), nothing that exists is
written through, and no link is followed: a name that leads out of the layer, or below a link or file of
the same layer, is refused. Block and character devices are not made; xattrs other than `user.*` and
file capabilities are dropped; a recipe keeps them for the tar. Owners come first, then attributes,
modes and times, since giving a file away takes its set-id bits and capabilities.

OCI image-spec 1.1 layer.md. Whiteouts hide what lies below, never what the same layer has.
"""

from __future__ import annotations

import errno
import os

from cowl.layer import names, tar_entry
from cowl.layer.directories import Directories
from cowl.layer.limits import Limits
from cowl.layer.nodes import Nodes
from cowl.layer.tar_fields import BadLayer
from cowl.layer.tar_reader import TarReader
from cowl.layer.whiteout import OPAQUE, PREFIX
from cowl.oci.digest import DiffId
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl.layer.owners import Owners
    from cowl.layer.recipe import RecipeWriter, Shadows
    from cowl.layer.streams import Readable, Writable
    from cowl.layer.tar_entry import Entry
    from cowl.layer.view import MergedView

_ENTRY_FAULTS = frozenset(
    (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ENAMETOOLONG, errno.ELOOP, errno.EILSEQ, errno.EFBIG)
)


class Unpacked(Value):
    """A layer as it was unpacked.

    diff_id       sha256 of every byte of the uncompressed stream
    tar_bytes     their number
    needs_parent  the tree depends on the layers below: directories that the tar implies but lacks,
                  hard links to files below, names that lead through links below
    """

    diff_id: DiffId
    tar_bytes: int
    needs_parent: bool


def unpack(
    stream: Readable | BinaryIO,
    diff_dir: str,
    *,
    owners: Owners,
    below: MergedView | None = None,
    recipe: Writable | BinaryIO | None = None,
    limits: Limits | None = None,
) -> Unpacked:
    """Unpacks the uncompressed tar `stream`, to its end, into the empty directory `diff_dir`.

    below   the layers that it lies on, for what it takes from them
    recipe  where to write what `recipe.assemble` needs to give the tar back; data of files that the tar
            itself overwrites then goes to `shadowed/` beside `diff_dir`
    Not atomic: after a failure the caller removes what is there. Not synced. Raises BadLayer,
    LayerTooBig, OSError, and what `stream` raises.
    """
    limits = limits or Limits()
    writer, shadows = _recipe(recipe, os.path.dirname(os.path.abspath(diff_dir)), limits)
    reader = TarReader(stream, limits, writer.literal if writer else None)
    with Directories(diff_dir, owners, below) as directories:
        nodes = Nodes(reader, directories, owners, below, limits)
        nodes.recipe, nodes.shadows = writer, shadows
        job = _Unpacking(nodes, directories, limits)
        while entry := reader.next():
            job.put(entry)
        job.finish(below)
        diff_id = reader.finish()
        if writer:
            writer.close(diff_id, reader.tar_bytes)
        return Unpacked(diff_id, reader.tar_bytes, directories.needs_parent)


def _recipe(
    stream: Writable | None, layer_dir: str, limits: Limits
) -> tuple[RecipeWriter | None, Shadows | None]:
    if stream is None:
        return None, None
    from cowl.layer.recipe import RecipeWriter, Shadows

    return RecipeWriter(stream), Shadows(layer_dir, limits.shadowed)


class _Unpacking:
    """The making of one tree: what each name means."""

    def __init__(self, nodes: Nodes, directories: Directories, limits: Limits) -> None:
        self._nodes = nodes
        self._directories = directories
        self._limits = limits
        self._root_opaque = False
        self._makers = {
            tar_entry.REGULAR: nodes.file,
            tar_entry.DIRECTORY: nodes.directory,
            tar_entry.SYMBOLIC_LINK: nodes.symbolic_link,
            tar_entry.HARD_LINK: nodes.hard_link,
            tar_entry.FIFO: nodes.fifo,
            tar_entry.CHARACTER: nodes.device,
            tar_entry.BLOCK_DEVICE: nodes.device,
        }

    def put(self, entry: Entry) -> None:
        """Makes one entry. Raises BadLayer, LayerTooBig, OSError."""
        make = self._makers.get(entry.type)
        if make is None:
            raise BadLayer(entry.name, f"its type {entry.type.decode('latin-1')!r} has no meaning in a layer")
        path = names.plain(entry.name, self._limits)
        parent, _, base = path.rpartition(b"/")
        try:
            if b".wh." in path and self._special(parent, base, path, entry):
                return
            if not path:
                self._root(entry)
                return
            make(self._directories.enter(parent, entry.name, entry.mtime), base, entry)
        except OSError as error:
            if error.errno in _ENTRY_FAULTS:
                raise BadLayer(entry.name, f"it can't be made: {error.strerror}") from error
            raise

    def _root(self, entry: Entry) -> None:
        if entry.type != tar_entry.DIRECTORY:
            raise BadLayer(entry.name, "the root of a layer is a directory")
        self._directories.enter(b"", entry.name, entry.mtime)
        self._nodes.settle_directory(entry)

    def _special(self, parent: bytes, base: bytes, path: bytes, entry: Entry) -> bool:
        """Whether it is no file: a whiteout, the mark of an opaque directory, aufs's bookkeeping."""
        if base == OPAQUE:
            names.check_parents(parent, entry.name)
            self._directories.enter(parent, entry.name, entry.mtime)
            if parent:
                self._directories.make_opaque()
            else:
                self._root_opaque = True
            return True
        if names.is_reserved(path):
            return True
        names.check_parents(parent, entry.name)
        if not base.startswith(PREFIX):
            return False
        name = names.hidden_name(base, entry.name)
        self._nodes.whiteout(self._directories.enter(parent, entry.name, entry.mtime), name)
        return True

    def finish(self, below: MergedView | None) -> None:
        """An opaque root: overlayfs has no such thing, so all that lies below gets its whiteout."""
        if not self._root_opaque or below is None:
            return
        directory = self._directories.enter(b"", b"", 0)
        self._directories.needs_parent = True
        for name in below.list("/"):
            self._nodes.whiteout(directory, os.fsencode(name))
            directory = self._directories.enter(b"", b"", 0)
