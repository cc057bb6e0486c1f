"""Reading ahead: the same bytes, the same errors, bounded memory, and a thread that ends."""

from __future__ import annotations

import io
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowl.transfer.read_ahead import CHUNK_BYTES, DEPTH, ReadAhead

DATA = bytes(range(256)) * 9000


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([1, 7, 512, CHUNK_BYTES, 1 << 22]), min_size=1, max_size=30))
def test_the_same_bytes_in_any_pieces(sizes: list[int]) -> None:
    with ReadAhead(io.BytesIO(DATA)) as ahead:
        got = b"".join(ahead.read(size) for size in sizes)
        assert got + ahead.read() == DATA
        assert ahead.read(1) == b""
        assert ahead.read(1) == b""


def test_an_error_comes_where_it_belongs() -> None:
    class Broken:
        def __init__(self) -> None:
            self.left = 3

        def read(self, _size: int, /) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise ValueError("broken")
            return b"x" * 10

    with ReadAhead(Broken()) as ahead:
        assert b"".join(ahead.read(10) for _ in range(3)) == b"x" * 30
        with pytest.raises(ValueError, match="broken"):
            ahead.read(1)
        assert ahead.read(1) == b""


def test_it_holds_no_more_than_it_says_and_stops() -> None:
    class Endless:
        served = 0

        def read(self, size: int, /) -> bytes:
            self.served += size
            return bytes(size)

    endless = Endless()
    before = set(threading.enumerate())
    with ReadAhead(endless) as ahead:
        ahead.read(1)
        time.sleep(0.3)
        assert endless.served <= (DEPTH + 3) * CHUNK_BYTES
    assert set(threading.enumerate()) <= before
