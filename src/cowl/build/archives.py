"""Archives: files that ADD unpacks. What a file is shows in its bytes, never in its name, as in BuildKit."""

from __future__ import annotations

import os

from cowl.build.tree import FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.tree import Entry, Tree
    from cowl.layer.limits import Limits
    from cowl.layer.streams import Readable
    from cowl.layer.tar_entry import Entry as TarEntry
    from cowl.layer.tar_reader import TarReader

_BLOCK = 512


def may_be_archive(tree: Tree, entry: Entry) -> bool:
    """Whether a file begins as a tar does, or as something compressed, which may hold one.

    A look at 512 bytes: only `open_archive` knows.
    """
    if entry.kind != FILE:
        return False
    fd = tree.open(entry)
    try:
        return begins_as_archive(os.pread(fd, _BLOCK, 0))
    finally:
        os.close(fd)


def begins_as_archive(head: bytes) -> bool:
    """The same of the first bytes of a stream, 512 if it has as many."""
    from cowl.layer.compression import UNCOMPRESSED, sniff

    return sniff(head) != UNCOMPRESSED or begins_as_tar(head)


def begins_as_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are the header of a tar: its checksum fits, whatever its variety."""
    from cowl.layer.tar_fields import checksum_fits

    if len(head) < _BLOCK or not head[0]:
        return False
    try:
        return checksum_fits(head[:_BLOCK], head[148:156])
    except ValueError:
        return False


def open_archive(stream: Readable, limits: Limits) -> tuple[TarReader, TarEntry] | None:
    """A reader of the tar in `stream`, plain or compressed, and its first entry; None if there is none.

    As with BuildKit something compressed that is no tar, or that is damaged at its very beginning, is no
    archive, and neither is a tar without an entry. Raises what `stream` raises.
    """
    from cowl.layer.compression import BadCompression, open_decompressed
    from cowl.layer.limits import LayerTooBig
    from cowl.layer.tar_fields import BadLayer
    from cowl.layer.tar_reader import TarReader

    try:
        reader = TarReader(open_decompressed(stream), limits)
        first = reader.next()
    except (BadLayer, BadCompression, LayerTooBig):
        return None
    return None if first is None else (reader, first)


class Descriptor:
    """An open file as a stream, from where it stands."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes."""
        return os.read(self._fd, size if size >= 0 else 1 << 20)
