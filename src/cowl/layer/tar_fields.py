"""The fields of tar headers: numbers, times, PAX records. Pure.

POSIX.1-2024 pax "ustar Interchange Format" and "pax Extended Header"; GNU tar manual "Basic Tar Format".
Read as Go's archive/tar does, since every other engine reads layers with it and a name that two readers
understand differently is a way in.
"""

from __future__ import annotations

from zlib import adler32

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NANO = 1_000_000_000
ID_LIMIT = 0xFFFF_FFFF  # itself "no change" for chown(2)
_TIME_LIMIT = 1 << 55  # seconds; the kernel clamps to what the file system can hold long before


class BadLayer(Invalid):
    """A layer's tar is malformed or asks for what no layer may do.

    entry  name of the entry as the tar spells it, "" if it is about the tar as a whole
    why    what is wrong with it
    """

    def __init__(self, entry: bytes | str, why: str) -> None:
        self.entry = entry if isinstance(entry, str) else entry.decode("utf-8", "backslashreplace")
        self.why = why
        where = f"entry {_short(self.entry)!r}: " if entry else ""
        super().__init__(f"bad layer: {where}{why}")


def number(field: bytes) -> int:
    """An octal or base-256 number. Raises ValueError."""
    if field[0] & 0x80:
        return _base256(field)
    text = field.strip(b" \0")
    if not text:
        return 0
    if not text.isdigit():
        text = text.partition(b"\0")[0]
        if not text.isdigit():
            raise ValueError
    return int(text, 8)


def _base256(field: bytes) -> int:
    bits = 8 * len(field) - 1
    value = int.from_bytes(field, "big") & ((1 << bits) - 1)
    return value - (1 << bits) if field[0] & 0x40 else value


def text(field: bytes) -> bytes:
    """A name: up to the first NUL."""
    return field.partition(b"\0")[0]


def checksum_fits(block: bytes, field: bytes) -> bool:
    """Whether a header's sum, with its own field taken as blanks, is as it says (signed sums too)."""
    try:
        told = int(field.strip(b" \0"), 8)
    except ValueError:
        told = number(field)
    # The low half of Adler-32 is 1 + the sum of the bytes modulo 65521; 256 bytes can't reach that.
    total = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2
    total += 256 - sum(field)
    if told == total:
        return True
    high = sum(byte > 127 for byte in block) - sum(byte > 127 for byte in field)
    return told == total - 256 * high


def pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records `length key=value\\n`. Raises ValueError."""
    at = 0
    while at < len(data):
        blank = data.index(b" ", at, at + 21)
        length = data[at:blank]
        if not length.isdigit():
            raise ValueError
        end = at + int(length)
        if not blank < end - 1 < len(data) or data[end - 1] != 0x0A:
            raise ValueError
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if not equals or not key or b"\0" in key:
            raise ValueError
        yield key, value
        at = end


def pax_number(value: bytes) -> int:
    """A decimal number that isn't negative. Raises ValueError."""
    if not value.isdigit() or len(value) > 20:
        raise ValueError
    return int(value)


def pax_time(value: bytes) -> int:
    """Seconds with a fraction, as nanoseconds; what is finer is cut. Raises ValueError."""
    whole, _, fraction = value.partition(b".")
    negative = whole.startswith(b"-")
    digits = whole[1:] if negative else whole
    if not digits.isdigit() or (fraction and not fraction.isdigit()) or len(digits) > 18:
        raise ValueError
    nanoseconds = int(digits) * NANO + int(fraction[:9].ljust(9, b"0") if fraction else 0)
    return clamp_time(-nanoseconds if negative else nanoseconds)


def clamp_time(nanoseconds: int) -> int:
    """A time that utimensat(2) takes."""
    return max(-_TIME_LIMIT * NANO, min(nanoseconds, _TIME_LIMIT * NANO))


def _short(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:120]}...{name[-60:]}"
