"""Pull from a real registry, and our OCI layouts read by skopeo and umoci."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import (
    RealRegistry,
    needs,
    real_registry,
    run,
    save_layout,
    tar_of,
    write_oci_layout,
)

from cowl.config import Config
from cowl.events import silent
from cowl.oci.digest import DiffId, Digest
from cowl.oci.image_config import ImageConfig
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.store.images import ImageRecord
from cowl.store.store import Store
from cowl.transfer.import_tar import import_tar
from cowl.transfer.layout_sink import LayoutExists
from cowl.transfer.pull import pull

pytestmark = needs("docker-registry", "skopeo", "umoci")

LAYERS = [
    tar_of({"etc/name": b"base\n", "etc/gone": b"x", "opt/a": b"a"}, directories=["etc", "opt"]),
    tar_of({"etc/name": b"top\n", "etc/.wh.gone": b""}, directories=["etc"]),
    tar_of({"opt/.wh..wh..opq": b"", "opt/b": b"b" * 100_000}, directories=["opt"]),
]
FILES = {"etc/name": b"top\n", "opt/b": b"b" * 100_000}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(Config(root=str(tmp_path / "store"))) as opened:
        yield opened


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RealRegistry]:
    write_oci_layout(tmp_path / "made", LAYERS, ["linux/amd64", "linux/arm64"])
    (tmp_path / "registry").mkdir()
    with real_registry(tmp_path / "registry") as running:
        running.fill(tmp_path / "made", "app:oci")
        running.fill(tmp_path / "made", "app:docker", "--format=v2s2")
        yield running


def get(registry: RealRegistry, store: Store, name: str, platform: str = "") -> ImageRecord:
    wanted = Platform.parse(platform) if platform else None
    reference = Reference.parse(f"{registry.netloc}/{name}")
    return pull(reference, wanted, store=store, config=Config(root=store.root), emit=silent)


def tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def unpacked_by_umoci(layout: Path, tag: str, directory: Path) -> dict[str, bytes]:
    rootless = ["--rootless"] if os.geteuid() else []
    run(["umoci", "unpack", *rootless, "--image", f"{layout}:{tag}", str(directory)])
    return tree(directory / "rootfs")


@pytest.mark.parametrize("tag", ["oci", "docker"])
def test_a_pulled_image_is_what_umoci_makes_of_our_layout(
    registry: RealRegistry, store: Store, tmp_path: Path, tag: str
) -> None:
    record = get(registry, store, f"app:{tag}", "linux/amd64")
    view = store.view(record.layer_keys)
    assert {path: view.read_file(f"/{path}", 1 << 20) for path in FILES} == FILES
    assert view.lookup("/etc/gone") is None
    assert view.lookup("/opt/a") is None
    save_layout(store, record, tmp_path / "layout", "app:app")
    assert unpacked_by_umoci(tmp_path / "layout", "app", tmp_path / "bundle") == FILES


def test_both_platforms_share_their_layers(registry: RealRegistry, store: Store) -> None:
    arm, amd = (get(registry, store, "app:oci", f"linux/{name}") for name in ("arm64", "amd64"))
    assert arm.id != amd.id
    assert arm.layers == amd.layers
    assert arm.repo_digests == amd.repo_digests
    assert store.check() == []


def test_skopeo_agrees_with_our_layout(registry: RealRegistry, store: Store, tmp_path: Path) -> None:
    record = get(registry, store, "app:oci", "linux/amd64")
    manifest = save_layout(store, record, tmp_path / "layout", "app:1")
    image = f"oci:{tmp_path}/layout:1"
    seen = json.loads(run(["skopeo", "inspect", image]))
    assert seen["Digest"] == manifest.digest
    assert seen["Layers"] == [layer.digest for layer in manifest.layers]
    raw = run(["skopeo", "inspect", "--config", "--raw", image]).encode()
    assert Digest.of(raw.rstrip(b"\n")) == record.id or Digest.of(raw) == record.id
    for layer, diff_id in zip(manifest.layers, ImageConfig.parse(record.config_bytes).diff_ids, strict=True):
        blob = tmp_path / "layout" / "blobs" / "sha256" / layer.digest.hex
        plain = subprocess.run(["gzip", "-dc", blob], capture_output=True, check=True).stdout
        assert DiffId.of_hash(hashlib.sha256(plain).hexdigest()) == diff_id


def test_a_round_trip_through_skopeo_and_the_registry_keeps_the_image(
    registry: RealRegistry, store: Store, tmp_path: Path
) -> None:
    first = get(registry, store, "app:oci", "linux/amd64")
    manifest = save_layout(store, first, tmp_path / "layout", "app:1")
    registry.fill(tmp_path / "layout", "again:1")
    with Store.open(Config(root=str(tmp_path / "second"))) as second:
        again = get(registry, second, "again:1", "linux/amd64")
        assert again.id == first.id
        assert [layer.diff_id for layer in again.layers] == [layer.diff_id for layer in first.layers]
        assert again.repo_digests == (f"{registry.netloc}/again@{manifest.digest}",)
        assert second.check() == []


def test_an_imported_root_file_system(store: Store, tmp_path: Path, busybox_tar: Path) -> None:
    with open(busybox_tar, "rb") as stream:
        record = import_tar(
            stream,
            reference=Reference.parse("busybox"),
            changes=['CMD ["sh"]'],
            store=store,
            emit=silent,
            clock=lambda: 1e9,
        )
    save_layout(store, record, tmp_path / "layout", "app:1")
    found = unpacked_by_umoci(tmp_path / "layout", "1", tmp_path / "bundle")
    rootfs = tmp_path / "bundle" / "rootfs"
    assert found["etc/passwd"].startswith(b"root:x:0:0")
    assert stat.S_IMODE((rootfs / "tmp").stat().st_mode) == 0o1777
    assert os.readlink(rootfs / "bin" / "sh") == "busybox"
    assert json.loads((tmp_path / "bundle" / "config.json").read_text())["process"]["args"] == ["sh"]


def test_a_layout_is_deterministic_and_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    stream = io.BytesIO(LAYERS[0])
    record = import_tar(stream, reference=None, store=store, emit=silent, clock=lambda: 1e9)
    first, second = (save_layout(store, record, tmp_path / name) for name in ("one", "two"))
    assert first == second
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert save_layout(store, record, tmp_path / "one") == first
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    with pytest.raises(LayoutExists):
        save_layout(store, record, tmp_path / "other")
    assert tree(tmp_path / "other") == {"file": b"x"}


def test_root_and_an_ordinary_user_pull_the_same(registry: RealRegistry, caller: Caller) -> None:
    code = (
        "import sys, cowl\n"
        "with cowl.Engine() as engine:\n"
        "    first = engine.pull(sys.argv[1], platform='linux/amd64')\n"
        "    again = engine.pull(sys.argv[1], platform='linux/amd64')\n"
        "    assert first == again and len(engine.images()) == 1\n"
        "    print(first.id, first.size_bytes, *(layer.diff_id for layer in first.layers))\n"
    )
    done = caller.python(code, f"{registry.netloc}/app:oci")
    assert done.returncode == 0, done.stderr.decode()
    image_id, size, *diff_ids = done.stdout.decode().split()
    assert diff_ids == [DiffId.of(layer) for layer in LAYERS]
    assert int(size) == sum((len(b"base\n") + 1 + 1, len(b"top\n"), 100_000))
    assert image_id.startswith("sha256:")
