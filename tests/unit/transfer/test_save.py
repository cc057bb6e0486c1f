"""Save: layouts and archives from the store, deterministic, whole or not there, every diff_id checked."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cowl.events import silent
from cowl.layer.compression import open_decompressed
from cowl.layer.ownership import for_euid
from cowl.oci import media_types
from cowl.oci.digest import DiffId, Digest
from cowl.oci.reference import Reference
from cowl.outputs import UNCOMPRESSED, ZSTD, BlobForm, DockerOutput, OciOutput, Output, TarOutput
from cowl.store.images import ImageRecord
from cowl.store.store import Store
from cowl.transfer.destination import NotAFile
from cowl.transfer.export import InvalidOutput, check_output, export
from cowl.transfer.import_tar import import_tar
from cowl.transfer.layer_blob import InvalidForm
from cowl.transfer.layout_sink import BlobChanged, LayoutArchive, LayoutDirectory
from cowl.transfer.root_tar import write_root_tar
from cowl.transfer.save import SavedImage, save


def rootfs(size: int = 3_000_000) -> bytes:
    """A tar with entries that only a recipe gives back: an owner name, an odd order, a device."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        entry = tarfile.TarInfo("z")
        entry.size, entry.uname, entry.uid = size, "somebody", 1234
        tar.addfile(entry, io.BytesIO(os.urandom(size // 2) + bytes(size - size // 2)))
        entry = tarfile.TarInfo("dev")
        entry.type, entry.devmajor, entry.devminor = tarfile.CHRTYPE, 1, 3
        tar.addfile(entry)
        for name in ("a", "b"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = (tarfile.LNKTYPE, "z") if name == "b" else (tarfile.DIRTYPE, "")
            entry.mode, entry.mtime = 0o755, 12
            tar.addfile(entry)
    return buffer.getvalue()


@pytest.fixture
def image(store: Store) -> ImageRecord:
    return import_tar(
        io.BytesIO(rootfs()),
        reference=Reference.parse("app:1"),
        store=store,
        emit=silent,
        clock=lambda: 1e9,
    )


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name: (tar.extractfile(entry) or io.BytesIO()).read() for entry in tar}


def archive(store: Store, image: ImageRecord, form: BlobForm, *, docker: bool = False) -> bytes:
    sink = io.BytesIO()
    saved = SavedImage(image, (Reference.parse("app:1"), Reference.parse("h.test/b:2")))
    save(store, [saved], LayoutArchive(sink.write), form, docker=docker)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        (BlobForm(), media_types.OCI_LAYER_GZIP),
        (BlobForm(level=9), media_types.OCI_LAYER_GZIP),
        (BlobForm(level=0), media_types.OCI_LAYER_GZIP),
        (BlobForm(ZSTD), media_types.OCI_LAYER_ZSTD),
        (BlobForm(UNCOMPRESSED), media_types.OCI_LAYER),
        (BlobForm(oci_types=False), media_types.DOCKER_LAYER_GZIP),
    ],
)
def test_a_layout_in_every_form(store: Store, image: ImageRecord, form: BlobForm, kind: str) -> None:
    files = members(archive(store, image, form))
    for name, data in files.items():
        if name.startswith("blobs/sha256/"):
            assert Digest.of(data).hex == name.rpartition("/")[2]
    index = json.loads(files["index.json"])
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    names = [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]]
    assert names == ["docker.io/library/app:1", "h.test/b:2"]
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]] == [
        "1",
        "2",
    ]
    manifest = json.loads(files["blobs/sha256/" + index["manifests"][0]["digest"][7:]])
    assert files["blobs/sha256/" + manifest["config"]["digest"][7:]] == image.config_bytes
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == kind
    blob = files["blobs/sha256/" + layer["digest"][7:]]
    assert len(blob) == layer["size"]
    plain = open_decompressed(io.BytesIO(blob)).read()
    assert DiffId.of(plain) == image.layers[0].diff_id


def test_levels_differ_and_the_same_level_is_the_same_blob(store: Store, image: ImageRecord) -> None:
    sizes = {level: len(archive(store, image, BlobForm(level=level))) for level in (0, 1, 9)}
    assert sizes[0] > sizes[1] >= sizes[9]
    assert archive(store, image, BlobForm()) == archive(store, image, BlobForm())


def test_a_docker_archive(store: Store, image: ImageRecord) -> None:
    files = members(archive(store, image, BlobForm(UNCOMPRESSED, oci_types=False), docker=True))
    (entry,) = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == ["app:1", "h.test/b:2"]
    assert files[entry["Config"]] == image.config_bytes
    assert [DiffId.of(files[layer]) for layer in entry["Layers"]] == [image.layers[0].diff_id]


def test_a_directory_gets_more_images_and_new_ones_of_a_name(
    store: Store, image: ImageRecord, tmp_path: Path
) -> None:
    other = import_tar(io.BytesIO(rootfs(10)), reference=None, store=store, emit=silent, clock=lambda: 1e9)
    layout = tmp_path / "layout"

    def add(record: ImageRecord, name: str) -> None:
        saved = SavedImage(record, (Reference.parse(name),))
        save(store, [saved], LayoutDirectory(str(layout)), BlobForm())

    def names() -> dict[str, str]:
        index = json.loads((layout / "index.json").read_bytes())
        return {
            e["annotations"]["org.opencontainers.image.ref.name"]: e["digest"] for e in index["manifests"]
        }

    add(image, "app:1")
    first = names()
    add(other, "app:2")
    assert names().keys() == {"1", "2"}
    assert names()["1"] == first["1"]
    add(other, "app:1")
    assert names()["1"] == names()["2"] != first["1"]
    assert not list(layout.rglob(".*"))


def test_a_layer_that_was_changed_in_the_store_gives_no_archive(
    store: Store, image: ImageRecord, tmp_path: Path
) -> None:
    with open(f"{store.layers.directory(image.layers[0].key)}/diff/z", "r+b") as file:
        file.write(b"changed")
    dest = tmp_path / "x.tar"
    dest.write_bytes(b"the last good one")
    outputs: list[Output] = [
        DockerOutput(str(dest)),
        OciOutput(str(dest)),
        OciOutput(str(tmp_path / "d"), tar=False),
    ]
    for output in outputs:
        with pytest.raises(Exception, match="can't give back the tar"):
            export(output, image, store, silent)
    assert dest.read_bytes() == b"the last good one"
    assert [path.name for path in tmp_path.glob("*.part")] == []
    assert not list((tmp_path / "d").rglob("*index*"))
    store.close()


def test_what_can_not_be_is_said_before_anything_is_built(tmp_path: Path) -> None:
    here = str(tmp_path / "x")
    cases: list[tuple[Output, type[Exception], str]] = [
        (OciOutput(here, blobs=BlobForm("estargz")), InvalidForm, "not supported"),
        (OciOutput(here, blobs=BlobForm(level=10)), InvalidForm, "from 0 to 9"),
        (OciOutput(here, blobs=BlobForm(ZSTD, 23)), InvalidForm, "from 0 to 22"),
        (OciOutput(str(tmp_path)), NotAFile, "is a directory"),
        (TarOutput(str(tmp_path / "no" / "x")), NotAFile, "there is no directory"),
        (OciOutput(io.BytesIO(), tar=False), InvalidOutput, "needs a path"),
        (DockerOutput(here, annotations=(("a", "b"),)), InvalidOutput, "media types"),
    ]
    for output, kind, why in cases:
        with pytest.raises(kind, match=why):
            check_output(output)


def test_a_blob_of_another_size_than_announced(tmp_path: Path) -> None:
    layout = LayoutDirectory(str(tmp_path / "layout"))
    for sink in (LayoutArchive(io.BytesIO().write), layout):
        with pytest.raises(BlobChanged):
            sink.blob(Digest.of(b""), 2, lambda write: write(b"x"))
    assert [path for path in (tmp_path / "layout" / "blobs").rglob("*") if path.is_file()] == []


def test_the_root_file_system_as_a_tar(store: Store, image: ImageRecord) -> None:
    written: list[bytes] = []
    view = store.view(image.layer_keys)
    write_root_tar(view, written.append, for_euid(os.geteuid()))
    data = b"".join(written)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = [(entry.name, entry.type, entry.uid, entry.linkname, entry.size) for entry in tar]
    assert found == [
        ("a", tarfile.DIRTYPE, 0, "", 0),
        ("b", tarfile.REGTYPE, 1234, "", 3_000_000),
        ("z", tarfile.LNKTYPE, 1234, "b", 0),
    ]
    sink = io.BytesIO()
    export(TarOutput(sink), image, store, silent)
    assert sink.getvalue() == data


def test_memory_stays_flat(store: Store) -> None:
    import tracemalloc

    big = import_tar(
        io.BytesIO(rootfs(40_000_000)), reference=None, store=store, emit=silent, clock=lambda: 1e9
    )
    forms: list[Callable[[], object]] = [
        lambda: save(store, [SavedImage(big)], LayoutArchive(len), BlobForm(UNCOMPRESSED)),
        lambda: save(store, [SavedImage(big)], LayoutArchive(len), BlobForm()),
        lambda: write_root_tar(store.view(big.layer_keys), len, for_euid(os.geteuid())),
    ]
    for form in forms:
        tracemalloc.start()
        form()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 << 20
