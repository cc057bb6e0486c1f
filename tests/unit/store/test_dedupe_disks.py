"""A dedupe on file systems that share data between files, and on a full one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faults.full_store import fill
from tests.unit.store.making import open_store
from tests.unit.store.test_dedupe import BIG, TIME, File, deduped, images, inode, seen

from cowl.linux.extents import NoClones, extents, share_data
from cowl.store import Store

SIZE = 400 << 20  # the least that mkfs.xfs takes is 300 MB


@contextmanager
def disk(kind: str, directory: Path, size: int) -> Iterator[Path]:
    """A fresh file system of that kind, in a file."""
    if os.geteuid() != 0 or not shutil.which(f"mkfs.{kind}"):
        pytest.skip(f"needs root and mkfs.{kind}")
    image, place = directory / "image", directory / "mounted"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(size)
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"can't mount {kind} here: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture(params=["xfs", "btrfs"])
def cloning(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk that shares data."""
    with disk(request.param, tmp_path, SIZE) as place:
        yield place


@pytest.fixture
def cloning_store(cloning: Path) -> Iterator[Store]:
    with open_store(cloning / "store") as store:
        yield store


def free(path: str) -> int:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    subprocess.run(["sync", "-f", path], check=True)
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def place(store: Store, number: int, name: str) -> str:
    layers = store.images.find(f"image{number}").layers
    return f"{store.layers.directory(layers[0].key)}/diff/{name}"


def test_other_metadata_shares_the_data(cloning_store: Store) -> None:
    store, size = cloning_store, 8 << 20
    big = os.urandom(size)
    one, two, _ = images(
        store,
        {"same": File(big), "text": File(BIG)},
        {"same": File(big), "mode": File(big, mode=0o600), "text": File(BIG[::-1])},
        {"time": File(big, time=TIME + 1), "tail": File(big + b"tail")},
    )
    before = free(store.root)
    done = deduped(store)
    assert (done.links, done.cloned_files, done.why_no_clones) == (1, 2, "")
    assert inode(store, one, "same") == inode(store, two, "same")
    assert done.cloned_bytes == 2 * size
    assert abs(free(store.root) - before - 3 * size) < size // 4  # the link, and two whose data went
    assert store.dedupe().cloned_bytes == 0


def test_only_what_is_equal_is_shared(cloning: Path) -> None:
    size = 1 << 20
    contents = {"a": bytes(range(256)) * 4096, "b": bytes(range(256)) * 4095 + bytes(256), "c": b"x" * size}
    fds = {}
    for name, content in contents.items():
        (cloning / name).write_bytes(content)
        fds[name] = os.open(cloning / name, os.O_RDONLY)
        os.fsync(fds[name])
    assert share_data(fds["a"], fds["c"], size) == 0
    share_data(fds["a"], fds["b"], size)
    assert {name: (cloning / name).read_bytes() for name in contents} == contents
    for fd in fds.values():
        os.close(fd)


def test_a_file_system_that_can_not(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(range(16)) * 256)
    with open(tmp_path / "a", "rb") as one, open(tmp_path / "b", "rb") as other:
        try:
            shared = share_data(one.fileno(), other.fileno(), 4096)
        except NoClones:
            return
        os.fsync(one.fileno())
        assert shared == 4096
        assert extents(one.fileno()) == extents(other.fileno())


def test_the_figures_stay_what_they_were(cloning_store: Store) -> None:
    store = cloning_store
    images(store, {"a": File(BIG)}, {"a": File(BIG, mode=0o600)})
    before = [layer.allocated_bytes for layer in store.layers.list()], seen(store)
    assert store.dedupe().cloned_files == 1
    assert ([layer.allocated_bytes for layer in store.layers.list()], seen(store)) == before
    assert store.check() == []


def test_a_full_disk_gets_room(tmp_path: Path) -> None:
    with disk("ext4", tmp_path, 48 << 20) as place, open_store(place / "store") as store:
        big = os.urandom(5 << 20)
        images(store, {"d/a": File(big)}, {"d/a": File(big), "b": File(b"b")})
        fill(place)
        assert free(store.root) == 0
        assert deduped(store).freed_bytes >= 5 << 20
        assert free(store.root) >= 2 << 20  # 5 MB less what ext4 keeps for root, which root had filled too
