"""Sparse files in tars: where the data that is there belongs. GNU tar manual, "Storing Sparse Files"."""

from __future__ import annotations

from cowl.layer.tar_fields import number, pax_number
from cowl.layer.tar_writer import REGULAR, header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from cowl.layer.attributes import Attributes

    Extents: TypeAlias = "tuple[tuple[int, int], ...]"

BLOCK = 512
_PAIR = 24  # an offset and a length, twelve characters each
_DIGITS = 20


def old_map(header: bytes, take: Callable[[int], bytes], limit: int) -> Extents:
    """The map of an old GNU entry (type S); `take` gives the blocks that continue it. ValueError."""
    found = list(_pairs(header[386:482]))
    more = header[482]
    while more:
        block = take(BLOCK)
        found += _pairs(block[:504])
        more = block[504]
        if len(found) * _PAIR > limit:
            raise ValueError
    return tuple(found)


def _pairs(area: bytes) -> Iterable[tuple[int, int]]:
    for at in range(0, len(area), _PAIR):
        if area[at] == 0:
            return
        yield number(area[at : at + 12]), number(area[at + 12 : at + _PAIR])


def pax_map(value: bytes) -> Extents:
    """The map of PAX formats 0.0 and 0.1: offset,length,offset,length. Raises ValueError."""
    if not value:
        return ()
    figures = [pax_number(word) for word in value.split(b",")]
    if len(figures) % 2:
        raise ValueError
    return tuple(zip(figures[::2], figures[1::2], strict=True))


def data_map(take: Callable[[int], bytes], limit: int) -> tuple[Extents, int]:
    """The map of PAX format 1.0, ahead of the data; also how many bytes it takes. Raises ValueError."""
    text, taken = b"", 0
    at = 0

    def line() -> int:
        nonlocal text, taken, at
        while (end := text.find(b"\n", at)) < 0:
            if taken >= limit or len(text) - at > _DIGITS:
                raise ValueError
            text, at = text[at:] + take(BLOCK), 0
            taken += BLOCK
        figure, at = pax_number(text[at:end]), end + 1
        return figure

    count = line()
    if count * 4 > limit:
        raise ValueError
    return tuple((line(), line()) for _ in range(count)), taken


def sparse_head(
    name: bytes,
    owner: tuple[int, int, int],
    size: int,
    mtime: int,
    extents: Sequence[tuple[int, int]],
    xattrs: Attributes = (),
) -> bytes:
    """The header of a sparse file in PAX format 1.0, its map included; the data of the extents follows.

    owner  uid, gid, permission bits
    """
    figures = [len(extents), *(figure for extent in extents for figure in extent)]
    text = b"".join(b"%d\n" % figure for figure in figures)
    text += bytes(-len(text) % BLOCK)
    records = (
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", name),
        (b"GNU.sparse.realsize", b"%d" % size),
    )
    uid, gid, mode = owner
    stored = len(text) + sum(length for _, length in extents)
    folder, _, base = name.rpartition(b"/")
    shown = (folder + b"/" if folder else b"") + b"GNUSparseFile.0/" + base
    return header(shown, REGULAR, mode, uid, gid, stored, mtime, xattrs=xattrs, more=records) + text


def fits(extents: Extents, size: int, packed: int) -> bool:
    """Whether a map is in order, within `size` bytes, and needs exactly `packed` bytes of data."""
    at = 0
    for offset, length in extents:
        if offset < at or length < 0:
            return False
        at = offset + length
    return at <= size and sum(length for _, length in extents) == packed
