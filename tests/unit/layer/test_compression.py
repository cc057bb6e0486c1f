"""Decompression of whatever comes, in bounded memory; compression that is always the same."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib

import pytest

from cowl.layer.compression import (
    GZIP,
    UNCOMPRESSED,
    ZSTD,
    BadCompression,
    CompressedWriter,
    UnknownCompression,
    _ZlibDecompressor,
    open_decompressed,
)

DATA = b"".join(b"%d some text, " % number for number in range(200_000)) + os.urandom(100_000)


def compressed(data: bytes, compression: str, step: int = 77_777) -> bytes:
    parts: list[bytes] = []
    writer = CompressedWriter(parts.append, compression)
    for at in range(0, len(data), step):
        writer.write(data[at : at + step])
    writer.close()
    return b"".join(parts)


class Trickle(io.BytesIO):
    """Gives a few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(1013)


@pytest.mark.parametrize("compression", [GZIP, ZSTD, UNCOMPRESSED])
def test_round_trip(compression: str) -> None:
    packed = compressed(DATA, compression)
    assert open_decompressed(Trickle(packed)).read() == DATA
    assert compressed(DATA, compression, step=3_000_001) == packed
    assert open_decompressed(io.BytesIO(compressed(b"", compression))).read() == b""


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_other_programs(pack: object) -> None:
    packed = pack(DATA)  # type: ignore[operator]
    assert open_decompressed(io.BytesIO(packed + packed)).read() == DATA + DATA


def test_several_frames_and_padding() -> None:
    skippable = b"\x5e\x2a\x4d\x18\x04\0\0\0abcd"
    frames = skippable + compressed(b"one", ZSTD) + skippable + compressed(b"two", ZSTD) + skippable
    assert open_decompressed(io.BytesIO(frames)).read() == b"onetwo"
    members = compressed(b"one", GZIP) + compressed(b"two", GZIP) + bytes(1000)
    assert open_decompressed(io.BytesIO(members)).read() == b"onetwo"


def test_without_isal() -> None:
    inflate = _ZlibDecompressor()
    out = b""
    packed = gzip.compress(DATA) + b"rest"
    while not inflate.eof:
        out += inflate.decompress(packed if inflate.needs_input else b"", 1000)
        packed = b"" if inflate.needs_input else packed
    assert out == DATA
    assert inflate.unused_data == b"rest"


@pytest.mark.parametrize("compression", [GZIP, ZSTD])
@pytest.mark.parametrize("damage", ["cut", "changed", "garbage"])
def test_damage(compression: str, damage: str) -> None:
    packed = compressed(DATA, compression)
    if damage == "cut":
        packed = packed[:-3]
    elif damage == "changed":
        packed = packed[:5000] + bytes(64) + packed[5064:]
    else:
        packed += b"garbage"
    with pytest.raises(BadCompression):
        open_decompressed(io.BytesIO(packed)).read()


def test_a_huge_window_is_refused() -> None:
    # RFC 8878 3.1.1.1.2: a window of 2 GiB
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + bytes(((31 - 10) << 3,)) + b"\x01\x00\x00"
    with pytest.raises(BadCompression):
        open_decompressed(io.BytesIO(frame)).read()


@pytest.mark.parametrize("size", [1, 100, 1 << 16])
def test_never_more_than_asked_for(size: int) -> None:
    stream = open_decompressed(io.BytesIO(zlib.compress(bytes(10_000_000), 9, 31)))
    for _ in range(20):
        assert len(stream.read(size)) <= size


def test_unknown_compressions() -> None:
    with pytest.raises(UnknownCompression):
        CompressedWriter(lambda data: None, "lzma")
