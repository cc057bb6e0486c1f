"""A reader of layer tars: one pass, little memory, no trust.

Reads ustar, PAX, GNU and star headers, long names, big numbers and sparse files. Global PAX headers
have no effect, as in every engine made with Go's archive/tar: an image means the same here. Every byte
to the end of the stream goes into the hash, what follows the end-of-archive blocks too.
"""

from __future__ import annotations

import os
from hashlib import sha256
from struct import Struct

from cowl.layer import tar_fields, tar_sparse
from cowl.layer.limits import LayerTooBig, Limits
from cowl.layer.tar_entry import (
    DEVICES,
    DIRECTORY,
    FILES,
    OLD_REGULAR,
    REGULAR,
    SPARSE,
    WITHOUT_DATA,
    Entry,
    apply_pax,
    is_sparse,
    name_of,
    parse_pax,
)
from cowl.layer.tar_fields import NANO, BadLayer, number
from cowl.oci.digest import DiffId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.layer.streams import Readable

BLOCK = 512
CHUNK = 1 << 20

_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_EXTENSIONS = frozenset((_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK))
_EXTENSIONS_IN_A_ROW = 64

_HEADER = Struct("100s8s8s8s12s12s8sc100s8s64x8s8s155s12s")
_ZERO = bytes(BLOCK)


class TarReader:
    """Entries of an uncompressed tar, in turn. Raises BadLayer, LayerTooBig, and what `stream` raises.

    literal  is given, in order, every byte of the stream except the data that `copy` handed over
    """

    def __init__(
        self, stream: Readable, limits: Limits, literal: Callable[[bytes], object] | None = None
    ) -> None:
        self._read = stream.read
        self._limits = limits
        self._literal = literal
        self._hash = sha256()
        self._chunk = b""
        self._at = 0  # in the chunk: the next byte
        self._literal_from = 0  # in the chunk: the first byte that `literal` hasn't seen
        self._ahead = 0  # bytes of data and padding before the next header
        self._padding = 0
        self._entries = 0
        self._numbers: dict[bytes, int] = {}
        self.tar_bytes = 0
        self.file_bytes = 0

    def next(self) -> Entry | None:
        """The next entry; data of the last one that nobody copied is skipped. None at the end."""
        extensions: dict[bytes, bytes] = {}
        pax: dict[bytes, bytes] = {}
        for _ in range(_EXTENSIONS_IN_A_ROW):
            if self._ahead:
                self._skip(self._ahead)
            try:
                block = self._header()
            except BadLayer as problem:
                if self._entries:
                    raise
                raise BadLayer("", f"it does not begin as a tar does: {problem.why}") from None
            if block is None:
                return None
            self._entries += 1
            if self._entries > self._limits.entries:
                raise LayerTooBig("entries", self._limits.entries)
            fields = _HEADER.unpack(block)
            flag = fields[7]
            if flag not in _EXTENSIONS:
                return self._entry(block, fields, extensions, pax)
            data = self._extension(fields)
            if flag == _PAX:
                pax = parse_pax(data)
            elif flag != _PAX_GLOBAL:
                extensions[flag] = tar_fields.text(data)
        raise BadLayer("", f"{_EXTENSIONS_IN_A_ROW} extension headers in a row")

    def copy(self, entry: Entry, fd: int) -> None:
        """Writes the data of `entry`, which `next` gave last, to the empty file `fd`. Once at most."""
        self._flush()
        end = self._at + entry.stored
        if entry.extents is None and end <= len(self._chunk):  # most files
            done = os.write(fd, self._chunk[self._at : end])
            self._literal_from = self._at = self._at + done
            self._copy(fd, entry.stored - done)
        elif entry.extents is None:
            self._copy(fd, entry.stored)
        else:
            for offset, length in entry.extents:
                os.lseek(fd, offset, os.SEEK_SET)
                self._copy(fd, length)
            os.ftruncate(fd, entry.size)
        self._ahead = self._padding

    def _copy(self, fd: int, size: int) -> None:
        while size:
            if self._at == len(self._chunk):
                self._fill()
            part = memoryview(self._chunk)[self._at : self._at + size]
            size -= len(part)
            self._at += len(part)
            self._literal_from = self._at
            while part:
                part = part[os.write(fd, part) :]

    def finish(self) -> DiffId:
        """Reads to the end of the stream, whatever is there, and gives the hash of all of it."""
        more = True
        while more:
            self._at = len(self._chunk)
            more = self._more()
        return DiffId("sha256:" + self._hash.hexdigest())

    # the stream

    def _more(self) -> bool:
        """Takes the next chunk; the last one must have been used up or be of no interest."""
        self._flush()
        self._chunk = chunk = self._read(CHUNK)
        self._at = self._literal_from = 0
        self._hash.update(chunk)
        self.tar_bytes += len(chunk)
        if self.tar_bytes > self._limits.tar_bytes:
            raise LayerTooBig("bytes", self._limits.tar_bytes)
        return bool(chunk)

    def _fill(self) -> None:
        if not self._more():
            raise BadLayer("", "it is cut off in the middle of an entry")

    def _flush(self) -> None:
        if self._literal and self._at > self._literal_from:
            self._literal(self._chunk[self._literal_from : self._at])
        self._literal_from = self._at

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end <= len(self._chunk):
            data = self._chunk[self._at : end]
            self._at = end
            return data
        parts = []
        while size:
            if self._at == len(self._chunk):
                self._fill()
            part = self._chunk[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _skip(self, size: int) -> None:
        self._ahead = 0
        while size > len(self._chunk) - self._at:
            size -= len(self._chunk) - self._at
            self._at = len(self._chunk)
            self._fill()
        self._at += size

    # headers

    def _header(self) -> bytes | None:
        """The next header block; None at the end of the archive or of the stream."""
        if self._at == len(self._chunk) and not self._more():
            return None
        block = self._take(BLOCK)
        if block != _ZERO:
            return _checked(block)
        if self._at == len(self._chunk) and not self._more():
            return None
        if self._take(BLOCK) != _ZERO:
            raise BadLayer("", "a header is empty")
        self._at = len(self._chunk)  # the rest is padding, of whatever length and content
        return None

    def _number(self, field: bytes) -> int:
        found = self._numbers.get(field)
        if found is None:
            if len(self._numbers) > 4096:
                self._numbers.clear()
            found = self._numbers[field] = number(field)
        return found

    def _extension(self, fields: tuple[bytes, ...]) -> bytes:
        try:
            size = number(fields[4])
        except ValueError:
            size = -1
        if size < 0:
            raise BadLayer(tar_fields.text(fields[0]), "an extension header has no valid size")
        if size > self._limits.header_bytes:
            raise LayerTooBig("bytes in an extension header", self._limits.header_bytes)
        data = self._take(size)
        self._skip(-size % BLOCK)
        return data

    def _entry(
        self,
        block: bytes,
        fields: tuple[bytes, ...],
        extensions: dict[bytes, bytes],
        pax: dict[bytes, bytes],
    ) -> Entry:
        entry = Entry()
        entry.name = name_of(fields)
        try:
            self._basics(entry, fields)
            if pax:
                apply_pax(entry, pax)
            if extensions:
                entry.name = extensions.get(_LONG_NAME, entry.name)
                entry.link = extensions.get(_LONG_LINK, entry.link)
            self._shape(entry, block, fields, pax)
        except (ValueError, KeyError):
            raise BadLayer(entry.name, "its header holds a number that is none") from None
        return entry

    def _basics(self, entry: Entry, fields: tuple[bytes, ...]) -> None:
        entry.mode = self._number(fields[1]) & 0o7777
        entry.uid = self._number(fields[2])
        entry.gid = self._number(fields[3])
        entry.size = number(fields[4])
        entry.mtime = tar_fields.clamp_time(self._number(fields[5]) * NANO)
        entry.link = fields[8].partition(b"\0")[0]
        entry.extents = None
        entry.xattrs = ()
        entry.device = (0, 0)

    def _shape(self, entry: Entry, block: bytes, fields: tuple[bytes, ...], pax: dict[bytes, bytes]) -> None:
        """Type, sizes and sparseness, when the names and numbers are known."""
        flag = fields[7]
        if flag == OLD_REGULAR:
            flag = DIRECTORY if entry.name.endswith(b"/") else REGULAR
        entry.type = REGULAR if flag in FILES else flag
        if flag in WITHOUT_DATA:
            entry.size = 0
            if flag in DEVICES:
                entry.device = _device(fields)
        entry.stored = entry.size
        if entry.size < 0:
            raise ValueError
        self._padding = -entry.size % BLOCK
        self._ahead = entry.size + self._padding
        if flag == SPARSE or (pax and flag in FILES and is_sparse(pax)):
            self._sparse(entry, block, flag, pax)
        self.file_bytes += entry.size
        if self.file_bytes > self._limits.file_bytes:
            raise LayerTooBig("bytes of files", self._limits.file_bytes)
        if not (0 <= entry.uid < tar_fields.ID_LIMIT and 0 <= entry.gid < tar_fields.ID_LIMIT):
            raise BadLayer(entry.name, f"its owner {entry.uid}:{entry.gid} is no user and group id")

    def _sparse(self, entry: Entry, block: bytes, flag: bytes, pax: dict[bytes, bytes]) -> None:
        limit = self._limits.header_bytes
        if flag == SPARSE:
            extents = tar_sparse.old_map(block, self._take, limit)
            entry.size = number(block[483:495])
        elif pax.get(b"GNU.sparse.major") == b"1":
            extents, taken = tar_sparse.data_map(self._take, limit)
            entry.stored -= taken
            self._ahead -= taken
            entry.size = tar_fields.pax_number(pax[b"GNU.sparse.realsize"])
        else:
            extents = tar_sparse.pax_map(pax.get(b"GNU.sparse.map", b""))
            entry.size = tar_fields.pax_number(pax[b"GNU.sparse.size"])
        if not tar_sparse.fits(extents, entry.size, entry.stored):
            raise BadLayer(entry.name, "the map of a sparse file does not fit its data")
        entry.extents = extents


def _device(fields: tuple[bytes, ...]) -> tuple[int, int]:
    """Its numbers; a layer's devices are never made, so that what is none is no matter there."""
    try:
        return number(fields[10]), number(fields[11])
    except ValueError:
        return 0, 0


def _checked(block: bytes) -> bytes:
    try:
        if tar_fields.checksum_fits(block, block[148:156]):
            return block
    except ValueError:
        pass
    raise BadLayer(tar_fields.text(block[:100]), "the checksum of its header is wrong: it is damaged")
