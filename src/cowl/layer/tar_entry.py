"""What a tar says of one file: its header block and PAX records, taken together. Pure."""

from __future__ import annotations

from cowl.layer import tar_fields
from cowl.layer.tar_fields import BadLayer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.tar_sparse import Extents

REGULAR, OLD_REGULAR, CONTIGUOUS, SPARSE = b"0", b"\0", b"7", b"S"
HARD_LINK, SYMBOLIC_LINK, DIRECTORY, FIFO = b"1", b"2", b"5", b"6"
CHARACTER, BLOCK_DEVICE = b"3", b"4"
FILES = frozenset((REGULAR, OLD_REGULAR, CONTIGUOUS, SPARSE))
DEVICES = (CHARACTER, BLOCK_DEVICE)
WITHOUT_DATA = frozenset((HARD_LINK, SYMBOLIC_LINK, DIRECTORY, FIFO, CHARACTER, BLOCK_DEVICE))

_USTAR = b"ustar\0"
_XATTR = b"SCHILY.xattr."
_NAMES = (b"path", b"linkpath", b"GNU.sparse.name")


class Entry:
    """What a tar says of one file.

    name, link  bytes as spelled; type is the header's flag, OLD_REGULAR and CONTIGUOUS made REGULAR
    mtime       nanoseconds since the epoch
    size        length of the file; stored: bytes of it that the tar has (less for a sparse one)
    extents     of a sparse file: (offset, length) of its data; else None
    xattrs      name and value pairs, as spelled
    device      (major, minor) of a device node, else (0, 0)
    """

    __slots__ = (
        "device",
        "extents",
        "gid",
        "link",
        "mode",
        "mtime",
        "name",
        "size",
        "stored",
        "type",
        "uid",
        "xattrs",
    )

    name: bytes
    type: bytes
    link: bytes
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    stored: int
    extents: Extents | None
    xattrs: tuple[tuple[bytes, bytes], ...]
    device: tuple[int, int]


def name_of(fields: tuple[bytes, ...]) -> bytes:
    """The name in a header's fields, in the order of tar_reader's, prefix and all."""
    name = fields[0].partition(b"\0")[0]
    prefix = fields[12]
    if prefix[0] == 0:
        return name
    if fields[9].startswith(_USTAR):
        # star's own variety keeps times behind a shorter prefix and signs with "tar" at the very end
        prefix = prefix[:131] if fields[13].endswith(b"tar\0") else prefix
        return tar_fields.text(prefix) + b"/" + name
    return name


def parse_pax(data: bytes) -> dict[bytes, bytes]:
    """The records of an extension header; the last of a key holds. Raises BadLayer."""
    found: dict[bytes, bytes] = {}
    extents: list[bytes] = []
    try:
        for key, value in tar_fields.pax_records(data):
            if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                extents.append(value)
            elif key in _NAMES and b"\0" in value:
                raise ValueError
            found[key] = value
    except ValueError:
        raise BadLayer("", "a PAX extension header is malformed") from None
    if extents:
        found[b"GNU.sparse.map"] = b",".join(extents)
    return found


def apply_pax(entry: Entry, pax: dict[bytes, bytes]) -> None:
    """Lets PAX records override what the header said. Raises ValueError."""
    xattrs = []
    for key, value in pax.items():
        if key.startswith(_XATTR):
            xattrs.append((key[len(_XATTR) :], value))
        elif not value:
            continue  # "the header's own field holds"
        elif key == b"path":
            entry.name = value
        elif key == b"linkpath":
            entry.link = value
        elif key == b"size":
            entry.size = tar_fields.pax_number(value)
        elif key == b"uid":
            entry.uid = tar_fields.pax_number(value)
        elif key == b"gid":
            entry.gid = tar_fields.pax_number(value)
        elif key == b"mtime":
            entry.mtime = tar_fields.pax_time(value)
    entry.name = pax.get(b"GNU.sparse.name") or entry.name
    entry.xattrs = tuple(xattrs)


def is_sparse(pax: dict[bytes, bytes]) -> bool:
    """Whether the records describe a sparse file."""
    return pax.get(b"GNU.sparse.major") == b"1" or b"GNU.sparse.size" in pax
