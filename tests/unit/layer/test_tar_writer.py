"""Headers: whatever they say is read back by us and by the standard library."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.layer import tar_writer
from cowl.layer.limits import Limits
from cowl.layer.tar_fields import pax_time
from cowl.layer.tar_reader import TarReader

PART = st.text("abc\xe9", min_size=1, max_size=130)
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)


@given(
    name=NAME,
    link=NAME,
    kind=st.sampled_from([tar_writer.REGULAR, tar_writer.SYMBOLIC_LINK, tar_writer.DIRECTORY]),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    size=st.integers(0, 2**40),
    mtime=st.integers(-(2**60), 2**62),
    xattrs=st.dictionaries(st.sampled_from([b"user.a", b"user.b"]), st.binary(max_size=600)),
)
def test_what_is_written_is_read(
    name: str,
    link: str,
    kind: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    xattrs: dict[bytes, bytes],
) -> None:
    raw = name.encode() + (b"/" if kind == tar_writer.DIRECTORY else b"")
    target = link.encode() if kind == tar_writer.SYMBOLIC_LINK else b""
    size = size if kind == tar_writer.REGULAR else 0
    pairs = tuple(sorted(xattrs.items()))
    block = tar_writer.header(raw, kind, mode, uid, gid, size, mtime, target, xattrs=pairs)
    assert len(block) % 512 == 0

    entry = TarReader(io.BytesIO(block), Limits(file_bytes=1 << 60)).next()
    assert entry is not None
    seen = (entry.name, entry.type, entry.mode, entry.uid, entry.gid, entry.size, entry.link, entry.xattrs)
    assert seen == (raw, kind, mode, uid, gid, size, target, pairs)
    assert entry.mtime == mtime

    try:
        with tarfile.open(fileobj=io.BytesIO(block + bytes(1024)), errorlevel=0) as archive:
            member = archive.next()
    except tarfile.TarError:
        return  # the data is missing, and some versions look for it
    assert member is not None
    assert member.name == name
    assert (member.mode, member.uid, member.gid, member.size) == (mode, uid, gid, size)
    assert member.linkname == link * bool(target)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        (b"0", 0),
        (b"1.5", 1_500_000_000),
        (b"1.1234567899", 1_123_456_789),
        (b"-1.5", -1_500_000_000),
        (b"-0.000000001", -1),
        (b"9" * 18, (1 << 55) * 1_000_000_000),
    ],
)
def test_times(text: bytes, nanoseconds: int) -> None:
    assert pax_time(text) == nanoseconds
