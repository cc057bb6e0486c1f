"""Import: a root file system's tar to an image of one layer."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import pytest

from cowl.errors import CowlError
from cowl.events import silent
from cowl.oci.digest import DiffId
from cowl.oci.image_config import ContainerConfig, ImageConfig
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.store.images import ImageRecord
from cowl.store.store import Store
from cowl.transfer.changes import InvalidChange
from cowl.transfer.import_tar import import_tar

NAME = Reference.parse("mine")


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


ROOTFS = tar({"bin/sh": b"#!", "etc/motd": b"hello\n" * 1000})


def run(store: Store, data: bytes | BinaryIO, **options: Any) -> ImageRecord:
    source = io.BytesIO(data) if isinstance(data, bytes) else data
    fixed = {"reference": NAME, "store": store, "emit": silent, "clock": lambda: 1_600_000_000.25}
    return import_tar(source, **{**fixed, **options})


def assert_nothing_published(store: Store) -> None:
    store.collect()
    assert store.images.list() == ()
    assert store.layers.list() == ()
    assert store.check() == []


def test_an_image_of_one_layer(store: Store) -> None:
    record = run(store, ROOTFS, changes=['CMD ["/bin/sh"]', "ENV A=1"], message="from a test")
    assert record.references == ("docker.io/library/mine:latest",)
    config = ImageConfig.parse(record.config_bytes)
    assert config.diff_ids == (DiffId.of(ROOTFS),)
    assert config.config == ContainerConfig(cmd=("/bin/sh",), env=("A=1",))
    assert config.platform == Platform.host()
    assert config.created == "2020-09-13T12:26:40.250000000Z"
    assert [(entry.comment, entry.empty_layer) for entry in config.history] == [("from a test", False)]
    assert store.view(record.layer_keys).read_file("/etc/motd", 10_000) == b"hello\n" * 1000
    assert record.layers[0].tar_bytes == len(ROOTFS)
    assert record.layers[0].size_bytes == 2 + 6000
    assert store.check() == []


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_any_compression_gives_the_same_image(store: Store, pack: Callable[[bytes], bytes]) -> None:
    assert run(store, pack(ROOTFS)).id == run(store, ROOTFS).id
    assert len(store.layers.list()) == 1


def test_zstd(store: Store) -> None:
    zstd = pytest.importorskip("backports.zstd")
    assert run(store, zstd.compress(ROOTFS)).id == run(store, ROOTFS).id


def test_a_pipe_that_gives_little_at_a_time(store: Store) -> None:
    class Pipe(io.RawIOBase):
        data = io.BytesIO(ROOTFS)

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1, /) -> bytes:
            return self.data.read(min(size, 7) if size >= 0 else 7)

    assert run(store, cast("BinaryIO", Pipe())).layers[0].diff_id == DiffId.of(ROOTFS)


def test_without_a_name_and_for_another_platform(store: Store) -> None:
    record = run(store, ROOTFS, reference=None, platform=Platform.parse("linux/arm/v6"))
    assert record.references == ()
    assert str(ImageConfig.parse(record.config_bytes).platform) == "linux/arm/v6"
    assert ImageConfig.parse(record.config_bytes).history[0].comment == "Imported from -"


def test_a_bad_change_is_found_before_anything_is_read(store: Store) -> None:
    class Unread(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            raise AssertionError("read")

    with pytest.raises(InvalidChange):
        run(store, cast("BinaryIO", Unread()), changes=["RUN x"])
    assert_nothing_published(store)


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 5000,
        gzip.compress(ROOTFS, mtime=0)[:-20],
        gzip.compress(b"x" * 5000, mtime=0),
        lzma.compress(ROOTFS)[:-20],
        bz2.compress(ROOTFS)[:-20],
        ROOTFS[:3000],
        tar({"../escaped": b"x"}),
        tar({"a/../../escaped": b"x"}),
    ],
)
def test_what_is_no_good_archive_leaves_nothing(store: Store, data: bytes) -> None:
    with pytest.raises(CowlError):
        run(store, data)
    assert_nothing_published(store)


def test_an_empty_archive_is_an_image_without_files(store: Store) -> None:
    record = run(store, tar({}))
    assert record.layers[0].files == 0
