"""The Protocols of byte streams in this room. Import it for types only."""

from __future__ import annotations

from typing import Protocol


class Readable(Protocol):
    """A blocking stream: at most `size` bytes, fewer at will, b"" only at its end."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writable(Protocol):
    """A sink that takes all that it is given."""

    def write(self, data: bytes, /) -> object: ...


class Decompressor(Protocol):
    """What bz2, lzma, zstd and isal agree on."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Compressor(Protocol):
    """What zlib, isal and zstd agree on."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...
