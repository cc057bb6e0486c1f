"""How much a layer may demand before it is taken for a bomb."""

from __future__ import annotations

from cowl.errors import Invalid
from cowl.value import Value

_GIB = 1 << 30


class Limits(Value):
    """Bounds of what a layer's tar may hold. Memory stays bounded whatever they are.

    entries       headers, extension headers included
    tar_bytes     length of the uncompressed tar
    file_bytes    sum of the lengths of the files that it makes, holes of sparse files included
    header_bytes  one extension header (PAX, GNU long name, sparse map)
    path_bytes    one name or link target, Linux's PATH_MAX without its NUL
    depth         components of a name
    shadowed      files that the same tar overwrites with data of their own
    """

    entries: int = 8_000_000
    tar_bytes: int = 256 * _GIB
    file_bytes: int = 256 * _GIB
    header_bytes: int = 1 << 20
    path_bytes: int = 4095
    depth: int = 256
    shadowed: int = 65_536


class LayerTooBig(Invalid):
    """A layer goes beyond a bound: `what` was counted, `limit` is the bound."""

    def __init__(self, what: str, limit: int) -> None:
        self.what, self.limit = what, limit
        super().__init__(f"the layer has more than {limit} {what}", hint="it is damaged or meant to do harm")
