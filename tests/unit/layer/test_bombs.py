"""Threat 7 and 15: layers that want all memory or disk, and layers that are noise."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.layer.tars import entry, folder, hardlink, symlink, tar

from cowl.errors import CowlError
from cowl.layer.limits import LayerTooBig, Limits
from cowl.layer.ownership import for_euid
from cowl.layer.tar_fields import BadLayer
from cowl.layer.unpack import unpack
from cowl.linux.files import remove_tree

MEMORY_KIB = 128 * 1024  # half of what threat 7 allows

# Runs in a process of its own, since the highest memory use of a process never goes down.
MEASURED = """
import os, sys
from cowl.errors import CowlError
from cowl.layer.compression import open_decompressed
from cowl.layer.limits import Limits
from cowl.layer.ownership import for_euid
from cowl.layer.unpack import unpack

limits = Limits(entries=int(sys.argv[3]), tar_bytes=int(sys.argv[4]))
os.mkdir(sys.argv[2] + "/diff")
with open(sys.argv[1], "rb") as blob, open(sys.argv[2] + "/recipe", "wb") as recipe:
    try:
        plain = open_decompressed(blob)
        unpack(plain, sys.argv[2] + "/diff", owners=for_euid(os.geteuid()), recipe=recipe, limits=limits)
        print("unpacked", end=" ")
    except CowlError as error:
        print(type(error).__name__, end=" ")
# not getrusage: its maximum outlives execve, so it would tell the memory of pytest
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def measured(place: Path, blob: Path, entries: int = 8_000_000, tar_bytes: int = 1 << 30) -> tuple[str, int]:
    """What became of a blob, and the most memory that it took, in KiB."""
    words = [sys.executable, "-c", MEASURED, str(blob), str(place), str(entries), str(tar_bytes)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    outcome, memory = done.stdout.split()
    return outcome, int(memory)


def zeros(path: Path, size: int, compression: str, start: bytes = b"") -> Path:
    """A blob that is `start` and then zeros."""
    from cowl.layer.compression import CompressedWriter

    with open(path, "wb") as sink:
        writer = CompressedWriter(sink.write, compression)
        writer.write(start)
        for _ in range(size >> 20):
            writer.write(bytes(1 << 20))
        writer.close()
    return path


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("where", ["file", "padding"])
def test_a_small_blob_of_many_zeros(place: Path, compression: str, where: str) -> None:
    start = b""
    if where == "file":
        info, _ = entry("f")
        info.size = 8 << 30
        start = info.tobuf(tarfile.GNU_FORMAT)
    blob = zeros(place / "blob", 300 << 20, compression, start)
    assert blob.stat().st_size < 5 << 20
    outcome, memory = measured(place, blob, tar_bytes=280 << 20)
    assert outcome == "LayerTooBig"
    assert memory < MEMORY_KIB


def made(kind: str, number: int) -> tuple[tarfile.TarInfo, bytes]:
    if kind == "files":
        return entry(f"d/{number}")
    if kind == "directories":
        return folder(f"{number}")
    if kind == "links":
        return symlink(f"l{number}", "x")
    return entry("same", b"x")


@pytest.mark.parametrize("kind", ["files", "directories", "same name", "links"])
def test_many_entries(place: Path, kind: str) -> None:
    """Memory doesn't grow with entries: a few thousand are enough to see that."""
    blob = place / "blob"
    with open(blob, "wb") as sink:
        for at in range(0, 10_000, 1000):
            some = [made(kind, number) for number in range(at, at + 1000)]
            sink.write(tar(*some)[: 1000 * (1024 if some[0][1] else 512)])
        sink.write(bytes(1024))
    outcome, memory = measured(place, blob, entries=8_000)
    assert outcome == "LayerTooBig"
    assert memory < MEMORY_KIB


def test_a_huge_extension_header(place: Path) -> None:
    for flag in b"x", b"g", b"L", b"K":
        info, _ = entry("x", kind=flag)
        info.size = 1 << 30
        blob = zeros(place / "blob", 8 << 20, "", info.tobuf(tarfile.GNU_FORMAT))
        outcome, memory = measured(place, blob)
        assert outcome == "LayerTooBig"
        assert memory < MEMORY_KIB
        remove_tree(str(place / "diff"))


@pytest.mark.parametrize(
    ("limits", "data"),
    [
        (Limits(entries=2), tar(entry("a"), entry("b"), entry("c"))),
        (Limits(file_bytes=10), tar(entry("a", b"x" * 11))),
        (Limits(tar_bytes=2000), tar(entry("a", b"x" * 3000))),
        (Limits(header_bytes=100), tar(entry("a" * 300))),
    ],
)
def test_limits(place: Path, limits: Limits, data: bytes) -> None:
    (place / "diff").mkdir()
    with pytest.raises(LayerTooBig):
        unpack(io.BytesIO(data), str(place / "diff"), owners=for_euid(os.geteuid()), limits=limits)


def test_sparse_files_have_an_end(place: Path) -> None:
    info, _ = entry("f")
    info.pax_headers = {"GNU.sparse.size": str(1 << 60), "GNU.sparse.map": ""}
    (place / "diff").mkdir()
    with pytest.raises(LayerTooBig):
        unpack(io.BytesIO(tar((info, b""))), str(place / "diff"), owners=for_euid(os.geteuid()))


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.size": "10", "GNU.sparse.map": "5"},
        {"GNU.sparse.size": "10", "GNU.sparse.map": "0,20"},
        {"GNU.sparse.size": "100", "GNU.sparse.map": "50,1,10,2"},
        {"GNU.sparse.size": "-1", "GNU.sparse.map": "0,3"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "10"},
        {"size": "-5"},
        {"uid": "x"},
        {"mtime": "1e5"},
        {"mtime": "nan"},
    ],
)
def test_false_extension_headers(place: Path, headers: dict[str, str]) -> None:
    info, data = entry("f", b"abc")
    info.pax_headers = headers
    (place / "diff").mkdir()
    with pytest.raises(BadLayer):
        unpack(io.BytesIO(tar((info, data))), str(place / "diff"), owners=for_euid(os.geteuid()))


SEED = tar(
    folder("d"),
    entry("d/f", b"x" * 600, pax_headers={"SCHILY.xattr.user.a": "b", "mtime": "1.5"}),
    hardlink("d/g", "d/f"),
    symlink("l", "d"),
    entry("n" * 120, b"y"),
    entry("d/.wh.x"),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.binary(min_size=1, max_size=8)), max_size=6),
    st.booleans(),
)
def test_noise(changes: list[tuple[int, bytes]], sums: bool) -> None:
    """Any damage gives a tree or a typed error, never anything else."""
    data = bytearray(SEED)
    for at, value in changes:
        data[at : at + len(value)] = value
    if sums:  # headers with the right sum get further
        for at in range(0, len(data) - 511, 512):
            if data[at + 257 : at + 262] == b"ustar":
                data[at + 148 : at + 156] = b" " * 8
                data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    place = tempfile.mkdtemp(prefix="cowl-noise-")
    try:
        os.mkdir(f"{place}/diff")
        with open(f"{place}/recipe", "wb") as recipe:
            unpack(io.BytesIO(data), f"{place}/diff", owners=for_euid(os.geteuid()), recipe=recipe)
    except CowlError:
        pass
    finally:
        remove_tree(place)
