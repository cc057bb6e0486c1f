"""Load: what save and others wrote comes back as it was; what is no archive, or a hostile one, is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.transfer.test_save import rootfs

from cowl.config import Config
from cowl.errors import CowlError
from cowl.events import silent
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.outputs import GZIP, UNCOMPRESSED, ZSTD, BlobForm, DockerOutput, OciOutput
from cowl.store.store import Store
from cowl.transfer.fetch import DiffIdMismatch
from cowl.transfer.image_files import BadArchive
from cowl.transfer.import_tar import import_tar
from cowl.transfer.load import LoadedImage, load
from cowl.transfer.read_layout import LayoutDamaged
from cowl.transfer.save_images import save_images


@pytest.fixture
def full(store: Store) -> Store:
    """A store with app:1, app:2 and a nameless image."""
    for number, names in enumerate((("app:1",), ("app:2",), ())):
        import_tar(
            io.BytesIO(rootfs(3000 + number)),
            reference=Reference.parse(names[0]) if names else None,
            store=store,
            emit=silent,
            clock=lambda: 1e9,
        )
    return store


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    with Store.open(Config(root=str(tmp_path / "other"))) as opened:
        yield opened


def loaded(store: Store, source: str | io.BytesIO) -> dict[str, list[str]]:
    """What a load gave: names by the beginning of the ID."""
    found: tuple[LoadedImage, ...] = load(source, None, store=store, emit=silent)
    assert store.check() == []
    return {str(each.image.id): [*each.names] for each in found}


def archive(files: dict[str, bytes | tarfile.TarInfo]) -> io.BytesIO:
    """A tar of these files; a TarInfo is what it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return buffer


def docker_parts(layer: bytes, **changes: object) -> dict[str, bytes | tarfile.TarInfo]:
    """An archive as old versions of `docker save` wrote it, with one image; `changes` to its entry."""
    config = json.dumps(
        {
            "architecture": Platform.host().architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]},
        }
    ).encode()
    name = f"{sha256(config).hexdigest()}.json"
    entry = {"Config": name, "RepoTags": ["old:1"], "Layers": ["1/layer.tar"], **changes}
    return {name: config, "1/layer.tar": layer, "manifest.json": json.dumps([entry]).encode()}


@pytest.mark.parametrize("output", ["docker", "oci", "directory"])
@pytest.mark.parametrize("compression", [UNCOMPRESSED, GZIP, ZSTD])
def test_what_was_saved_comes_back(
    full: Store, other: Store, tmp_path: Path, output: str, compression: str
) -> None:
    """With all names of a repository; saved again it is the same, byte for byte."""
    blobs = BlobForm(compression, oci_types=output != "docker")

    def save(store: Store, place: str) -> None:
        wanted: DockerOutput | OciOutput = OciOutput(place, tar=output == "oci", blobs=blobs)
        if output == "docker":
            wanted = DockerOutput(place, blobs=blobs)
        save_images(store, ["app"], wanted)

    first, again = str(tmp_path / "first"), str(tmp_path / "again")
    save(full, first)
    expected = {str(full.images.find(name).id): [f"docker.io/library/{name}"] for name in ("app:1", "app:2")}
    assert loaded(other, first) == expected
    save(other, again)
    if output == "directory":
        assert subprocess.run(["diff", "-r", first, again], check=False).returncode == 0
    else:
        assert Path(first).read_bytes() == Path(again).read_bytes()


def test_an_id_is_saved_without_a_name(full: Store, other: Store) -> None:
    identity = str(next(image.id for image in full.images.list() if not image.references))
    sink = io.BytesIO()
    save_images(full, [identity], DockerOutput(sink))
    sink.seek(0)
    assert loaded(other, sink) == {identity: []}
    sink = io.BytesIO()
    save_images(full, [str(full.images.find("app:1").id)[7:19], "app:1"], DockerOutput(sink))
    sink.seek(0)
    assert [*loaded(other, sink).values()] == [["docker.io/library/app:1"]]


def test_from_a_pipe_and_compressed(full: Store, other: Store, tmp_path: Path) -> None:
    """What can't be sought in is put by, and nothing of that stays."""
    sink = io.BytesIO()
    save_images(full, ["app:1", "app:2"], DockerOutput(sink))
    packed = gzip.compress(sink.getvalue(), 1)
    path = tmp_path / "packed"
    path.write_bytes(packed)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with open(writer, "wb") as file:
            file.write(packed)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:
        found = load(stream, None, store=other, emit=silent)
    os.waitpid(child, 0)
    assert len(found) == 2
    assert len(loaded(other, str(path))) == 2
    assert [*Path(other.directory.staging).glob("*/*")] == []


def test_what_old_dockers_wrote(other: Store) -> None:
    """A layer that two images share was a symbolic link, in archives of a time before digests."""
    layer = rootfs(100)
    parts = docker_parts(layer)
    entry = json.loads(parts["manifest.json"])[0]  # type: ignore[arg-type]
    link = tarfile.TarInfo("2/layer.tar")
    link.type, link.linkname = tarfile.SYMTYPE, "../1/layer.tar"
    second = {**entry, "RepoTags": ["old:2"], "Layers": ["2/layer.tar"]}
    parts |= {"2/layer.tar": link, "manifest.json": json.dumps([entry, second]).encode()}
    found = loaded(other, archive(parts))
    assert [*found.values()] == [["docker.io/library/old:2"]] or len(found) == 1
    assert set(other.images.list()[0].references) == {
        "docker.io/library/old:1",
        "docker.io/library/old:2",
    }


def test_what_skopeo_writes_and_reads(full: Store, other: Store, tmp_path: Path) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    saved = str(tmp_path / "saved.tar")
    save_images(full, ["app:1"], DockerOutput(saved))
    save_images(full, ["app:1"], OciOutput(f"{saved}.oci"))  # from Docker's types it would write a new config
    identity = str(full.images.find("app:1").id)
    pairs = (
        (f"docker-archive:{saved}:app:1", f"docker-archive:{tmp_path}/a.tar:copy:1", f"{tmp_path}/a.tar"),
        (f"oci-archive:{saved}.oci", f"oci-archive:{tmp_path}/b.tar:b/copy:2", f"{tmp_path}/b.tar"),
        (f"oci-archive:{saved}.oci", f"oci:{tmp_path}/layout", f"{tmp_path}/layout"),
    )
    for source, dest, place in pairs:
        subprocess.run(["skopeo", "copy", "-q", source, dest], check=True, capture_output=True)
        assert [*loaded(other, place)] == [identity]
    assert set(other.images.find(identity).references) == {
        "docker.io/library/copy:1",
        "docker.io/b/copy:2",
    }


HOSTILE: dict[str, tuple[Callable[[dict[str, bytes | tarfile.TarInfo]], object], str]] = {
    "no manifest": (lambda parts: parts.pop("manifest.json"), "neither an index.json"),
    "no list": (lambda parts: parts.update({"manifest.json": b"{}"}), "no list of images"),
    "no JSON": (lambda parts: parts.update({"manifest.json": b"[" * 100_000}), "no JSON"),
    "no images": (lambda parts: parts.update({"manifest.json": b"[]"}), "has 0 images"),
    "huge listing": (lambda parts: parts.update({"manifest.json": bytes(5 << 20)}), "longer than"),
    "missing layer": (lambda parts: parts.pop("1/layer.tar"), "is missing"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_damaged_archives(other: Store, case: str) -> None:
    parts = docker_parts(rootfs(100))
    change, message = HOSTILE[case]
    change(parts)
    with pytest.raises(BadArchive, match=message):
        load(archive(parts), None, store=other, emit=silent)
    assert other.images.list() == ()
    assert other.check() == []


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../../../etc/passwd", "1/../../../../etc/passwd", "link", "loop"]
)
def test_nothing_outside_is_read(other: Store, path: str) -> None:
    """Names are keys of the archive's own, and links lead to nothing but those."""
    parts = docker_parts(rootfs(100), Layers=[path])
    for name, target in (("link", "/etc/passwd"), ("loop", "loop")):
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        parts[name] = entry
    with pytest.raises(BadArchive, match="is missing"):
        load(archive(parts), None, store=other, emit=silent)


def test_what_is_not_what_its_name_says(other: Store) -> None:
    parts = docker_parts(rootfs(100))
    changed = {**parts, "1/layer.tar": rootfs(101)}
    with pytest.raises(DiffIdMismatch):
        load(archive(changed), None, store=other, emit=silent)
    (config,) = (name for name in parts if name.endswith(".json") and name != "manifest.json")
    with pytest.raises(BadArchive, match="not what its name says"):
        load(archive({**parts, config: b'{"os":"linux"}'}), None, store=other, emit=silent)
    for layers in ([], ["1/layer.tar"] * 2):
        with pytest.raises(BadArchive, match="config names 1 layers"):
            load(archive(docker_parts(rootfs(100), Layers=layers)), None, store=other, emit=silent)
    with pytest.raises(BadArchive, match="impossible name"):
        load(archive(docker_parts(rootfs(100), RepoTags=["UPPER:1"])), None, store=other, emit=silent)
    assert other.images.list() == ()


def test_a_changed_blob_of_a_layout(full: Store, other: Store, tmp_path: Path) -> None:
    place = tmp_path / "layout"
    save_images(full, ["app:1"], OciOutput(str(place), tar=False))
    blob = max((place / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(blob.read_bytes())
    data[-9] ^= 1
    blob.write_bytes(data)
    with pytest.raises((LayoutDamaged, CowlError)):
        load(str(place), None, store=other, emit=silent)
    assert other.images.list() == ()
    assert other.check() == []


def test_headers_without_end(other: Store) -> None:
    """A PAX header of a GiB is refused by its length, and so is what ends in the middle."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    whole = header.tobuf(tarfile.USTAR_FORMAT) + bytes(4096)
    with pytest.raises(BadArchive, match="a header of"):
        load(io.BytesIO(whole), None, store=other, emit=silent)
    cut = archive(docker_parts(rootfs(100_000))).getvalue()[:20_000]
    with pytest.raises(BadArchive, match="in the middle"):
        load(io.BytesIO(cut), None, store=other, emit=silent)
    with pytest.raises(BadArchive, match="empty"):
        load(io.BytesIO(), None, store=other, emit=silent)
