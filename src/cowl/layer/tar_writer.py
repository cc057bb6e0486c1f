"""Tar headers as cowl writes them: ustar, with PAX records only where ustar can't say it. Pure.

No user or group names, no access or change times; records in the order of their keys. What a file's
header holds depends on the file's name and metadata alone.
POSIX.1-2024 pax, "ustar Interchange Format" and "pax Extended Header".
"""

from __future__ import annotations

from struct import Struct
from zlib import adler32

from cowl.layer.tar_fields import NANO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.attributes import Attributes

BLOCK = 512
END = bytes(2 * BLOCK)

REGULAR, HARD_LINK, SYMBOLIC_LINK = b"0", b"1", b"2"
CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"3", b"4", b"5", b"6"

_HEADER = Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_USTAR = b"ustar\x0000"
_NO_DEVICE = b"0000000\0"
_ID_LIMIT, _SIZE_LIMIT = 1 << 21, 1 << 33
_PAX_MODE, _PAX_NAME = b"0000644\0", b"PaxHeaders.0/"


def header(
    name: bytes,
    kind: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    link: bytes = b"",
    device: tuple[int, int] | None = None,
    xattrs: Attributes = (),
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """The header blocks of one entry; `mtime` in nanoseconds, `device` (major, minor), `more` PAX records.

    A file's data follows, filled up with zeros to a multiple of 512 bytes.
    """
    seconds, fraction = divmod(mtime, NANO)
    prefix, short = (b"", name) if len(name) <= 100 else _split(name)
    records = []
    if (
        fraction
        or xattrs
        or more
        or not short
        or len(link) > 100
        or uid >= _ID_LIMIT
        or gid >= _ID_LIMIT
        or size >= _SIZE_LIMIT
        or not 0 <= seconds < _SIZE_LIMIT
    ):
        records = [*_records(name if not short else b"", uid, gid, size, mtime, link, xattrs), *more]
        prefix, short = (prefix, short) if short else (b"", name[:100])
    major, minor = map(_octal7, device) if device else (_NO_DEVICE, _NO_DEVICE)
    block = _block(
        short,
        b"%07o\0" % mode,
        _octal7(uid if uid < _ID_LIMIT else 0),
        _octal7(gid if gid < _ID_LIMIT else 0),
        b"%011o\0" % (size if size < _SIZE_LIMIT else 0),
        b"%011o\0" % (seconds if 0 <= seconds < _SIZE_LIMIT else 0),
        kind,
        link[:100],
        major,
        minor,
        prefix,
    )
    return _extended(name, records) + block if records else block


def _octal7(value: int) -> bytes:
    return b"%07o\0" % value


def _block(
    name: bytes,
    mode: bytes,
    uid: bytes,
    gid: bytes,
    size: bytes,
    mtime: bytes,
    kind: bytes,
    link: bytes,
    major: bytes,
    minor: bytes,
    prefix: bytes,
) -> bytes:
    block = _HEADER.pack(
        name, mode, uid, gid, size, mtime, b"        ", kind, link, _USTAR, b"", b"", major, minor, prefix
    )
    # see tar_fields.checksum_fits
    total = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2
    return b"%b%06o\0 %b" % (block[:148], total, block[156:])


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Prefix and name of ustar, or two empty ones if the name can't be cut so."""
    if len(name) > 256:
        return b"", b""
    cut = name.find(b"/", len(name) - 101)
    if cut <= 0 or cut > 155 or cut == len(name) - 1:
        return b"", b""
    return name[:cut], name[cut + 1 :]


def _records(
    name: bytes, uid: int, gid: int, size: int, mtime: int, link: bytes, xattrs: Attributes
) -> list[tuple[bytes, bytes]]:
    """Only what ustar can't hold, in the order of the keys."""
    found = [(b"SCHILY.xattr." + key, value) for key, value in xattrs]
    if gid >= _ID_LIMIT:
        found.append((b"gid", b"%d" % gid))
    if len(link) > 100:
        found.append((b"linkpath", link))
    if mtime % NANO or not 0 <= mtime // NANO < _SIZE_LIMIT:
        found.append((b"mtime", _time(mtime)))
    if name:
        found.append((b"path", name))
    if size >= _SIZE_LIMIT:
        found.append((b"size", b"%d" % size))
    if uid >= _ID_LIMIT:
        found.append((b"uid", b"%d" % uid))
    return found


def _time(nanoseconds: int) -> bytes:
    sign = b"-" if nanoseconds < 0 else b""
    seconds, fraction = divmod(abs(nanoseconds), NANO)
    digits = b"%09d" % fraction
    return b"%b%d.%b" % (sign, seconds, digits.rstrip(b"0")) if fraction else b"%b%d" % (sign, seconds)


def _extended(name: bytes, records: list[tuple[bytes, bytes]]) -> bytes:
    data = b"".join(_record(key, value) for key, value in records)
    base = name.rstrip(b"/").rpartition(b"/")[2]
    block = _block(
        (_PAX_NAME + base)[:100],
        _PAX_MODE,
        _NO_DEVICE,
        _NO_DEVICE,
        b"%011o\0" % len(data),
        b"%011o\0" % 0,
        b"x",
        b"",
        _NO_DEVICE,
        _NO_DEVICE,
        b"",
    )
    return block + data + bytes(-len(data) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    body = b" %b=%b\n" % (key, value)
    length = len(body)
    while len(b"%d" % length) + len(body) != length:  # its own digits count too
        length = len(b"%d" % length) + len(body)
    return b"%d%b" % (length, body)
