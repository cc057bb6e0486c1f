"""Compression of layer blobs: gzip, zstd, none; to read also bzip2 and xz.

RFC 1952 (several members make one stream), RFC 8878 (several frames, skippable ones without content).
What a blob is shows in its first bytes; media types are often wrong, so like Docker we believe the bytes.
"""

from __future__ import annotations

from cowl.errors import Corrupt, Invalid, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl.layer.streams import Compressor, Decompressor, Readable

GZIP, ZSTD, BZIP2, XZ, UNCOMPRESSED = "gzip", "zstd", "bzip2", "xz", ""

CHUNK = 1 << 20
ZSTD_WINDOW_LOG = 27  # 128 MiB, what zstd itself takes without being told to take more
_XZ_MEMORY = 192 << 20
_LEVELS = {GZIP: 1, ZSTD: 3}
_ISAL_HIGHEST = 3

_MAGICS = (
    (b"\x1f\x8b", GZIP),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (b"BZh", BZIP2),
    (b"\xfd7zXZ\0", XZ),
)


class BadCompression(Corrupt):
    """A `compression` stream is damaged, cut off, or wants more memory than it may."""

    def __init__(self, compression: str, why: str) -> None:
        self.compression, self.why = compression, why
        super().__init__(f"can't decompress {compression}: {why}")


class NoCompressionLibrary(Unavailable):
    """The Python library for `compression` is not installed."""

    def __init__(self, compression: str, package: str) -> None:
        self.compression, self.package = compression, package
        super().__init__(f"no library for {compression} here", hint=f"pip install {package}")


class UnknownCompression(Invalid):
    """Nothing can be compressed with `compression`."""

    def __init__(self, compression: str) -> None:
        self.compression = compression
        super().__init__(f"unknown compression {compression!r}; there are gzip, zstd and none")


def sniff(start: bytes) -> str:
    """The compression that the first bytes of a stream show; UNCOMPRESSED for any other start."""
    if len(start) >= 4 and start[0] & 0xF0 == 0x50 and start[1:4] == b"\x2a\x4d\x18":
        return ZSTD  # a skippable frame
    return next((name for magic, name in _MAGICS if start.startswith(magic)), UNCOMPRESSED)


def open_decompressed(stream: Readable, media_type: str | None = None) -> Readable:  # noqa: ARG001
    """The plain bytes of `stream`, at most as many at a time as asked for, in bounded memory.

    `media_type` is a claim only. Reading raises BadCompression, and what `stream` raises.
    """
    start = b""
    while len(start) < 6 and (more := stream.read(CHUNK)):
        start += more
    compression = sniff(start)
    if compression == UNCOMPRESSED:
        return _Plain(start, stream)
    return _Decompressed(start, stream, compression)


class _Plain:
    """A stream some of whose bytes were already taken."""

    def __init__(self, start: bytes, stream: Readable) -> None:
        self._start = start
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if not self._start:
            return self._stream.read(size)
        data, self._start = self._start[:size], self._start[size:]
        return data


class _Decompressed:
    """A stream of members or frames, one after the other."""

    def __init__(self, start: bytes, stream: Readable, compression: str) -> None:
        self._stream = stream
        self._compression = compression
        self._make, self._failures = _decompressor(compression)
        self._current = self._make()
        self._input = start
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        while size and not self._ended:
            if self._current.eof:
                self._next_member()
                continue
            data = self._feed() if self._current.needs_input else b""
            try:
                out = self._current.decompress(data, size)
            except self._failures as error:
                raise BadCompression(self._compression, str(error)) from error
            if out:
                return out
        return b""

    def _feed(self) -> bytes:
        data, self._input = self._input or self._stream.read(CHUNK), b""
        if not data:
            raise BadCompression(self._compression, "it is cut off")
        return data

    def _next_member(self) -> None:
        """Padding with zeros may follow a member, as with tapes; anything else must be another one."""
        rest = self._current.unused_data
        while not (rest := rest.lstrip(b"\0")):
            rest = self._stream.read(CHUNK)
            if not rest:
                self._ended = True
                return
        self._input = rest
        self._current = self._make()


def _decompressor(compression: str) -> tuple[Callable[[], Decompressor], tuple[type[Exception], ...]]:
    """A maker of decompressors, and how they fail."""
    if compression == GZIP:
        return _gunzip()
    if compression == ZSTD:
        zstd = _zstd()
        options = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
        return (lambda: zstd.ZstdDecompressor(options=options)), (zstd.ZstdError, EOFError)
    if compression == XZ:
        import lzma

        return (lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)), (lzma.LZMAError, EOFError)
    import bz2

    return bz2.BZ2Decompressor, (OSError, ValueError, EOFError)


def _gunzip() -> tuple[Callable[[], Decompressor], tuple[type[Exception], ...]]:
    try:
        from isal import igzip_lib
    except ImportError:
        import zlib

        return _ZlibDecompressor, (zlib.error, EOFError)
    failure: Any = igzip_lib.error  # isal's stubs call it an instance
    return (lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)), (failure, EOFError)


class _ZlibDecompressor:
    """zlib under the interface of the others."""

    def __init__(self) -> None:
        import zlib

        self._inflate = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inflate.decompress(data or self._inflate.unconsumed_tail, max(max_length, 0))


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise NoCompressionLibrary(ZSTD, "backports.zstd") from None
    return zstd


class CompressedWriter:
    """Compresses what is written to it and hands it to `write`; `close` ends the stream.

    The output depends on the input, the compression, the level and the library's version only, not on
    how the input was cut: it is always compressed in whole chunks of 1 MiB.
    compression  GZIP (isal's levels 1 to 3, zlib's beyond them and where isal is missing), ZSTD or
                 UNCOMPRESSED
    Raises UnknownCompression, NoCompressionLibrary.
    """

    def __init__(self, write: Callable[[bytes], object], compression: str, level: int | None = None) -> None:
        self._write = write
        self._compressor = _compressor(compression, level)
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Takes more of the stream."""
        self._held.append(data)
        self._size += len(data)
        if self._size < CHUNK:
            return
        whole = b"".join(self._held)
        end = len(whole) - len(whole) % CHUNK
        for at in range(0, end, CHUNK):
            self._emit(self._compressor.compress(whole[at : at + CHUNK]))
        self._held = [whole[end:]]
        self._size = len(whole) - end

    def close(self) -> None:
        """Writes what is left. Once."""
        self._emit(self._compressor.compress(b"".join(self._held)))
        self._emit(self._compressor.flush())

    def _emit(self, data: bytes) -> None:
        if data:
            self._write(data)


class _Stored:
    def compress(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _compressor(compression: str, level: int | None) -> Compressor:
    if compression == UNCOMPRESSED:
        return _Stored()
    if compression not in _LEVELS:
        raise UnknownCompression(compression)
    level = _LEVELS[compression] if level is None else level
    if compression == ZSTD:
        made: Compressor = _zstd().ZstdCompressor(level=level)
        return made
    if 1 <= level <= _ISAL_HIGHEST:
        try:
            from isal import isal_zlib

            return isal_zlib.compressobj(level, isal_zlib.DEFLATED, 31)
        except ImportError:
            pass
    import zlib

    return zlib.compressobj(level, zlib.DEFLATED, 31)


def best_compression() -> str:
    """ZSTD where its library is, else GZIP."""
    try:
        _zstd()
    except NoCompressionLibrary:
        return GZIP
    return ZSTD
