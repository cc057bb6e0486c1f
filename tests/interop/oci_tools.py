"""Real tools as oracles: Debian's docker-registry on loopback, skopeo, and OCI layouts made by hand."""

from __future__ import annotations

import ctypes
import gzip
import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import DiffId, Digest
from cowl.oci.image_config import ContainerConfig, History, ImageConfig
from cowl.oci.manifest import Index, Manifest, parse_manifest
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.outputs import BlobForm
from cowl.store.images import ImageRecord
from cowl.store.store import Store
from cowl.transfer.layout_sink import LayoutDirectory, blob_path
from cowl.transfer.save import SavedImage, save

START_SECONDS = 20


def tar_of(files: dict[str, bytes], *, directories: Sequence[str] = ()) -> bytes:
    """An uncompressed layer tar; parents are not made, so name them in `directories`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in directories:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, 1_000_000_000
            tar.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), 0o644, 1_000_000_000
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def write_oci_layout(
    directory: Path, layers: Sequence[bytes], platforms: Sequence[str] = (), *, named: Sequence[bytes] = ()
) -> Index:
    """An OCI layout with one image of `layers` for each platform (the host's by default), tagged `1`.

    Its config names the diff_ids of `named` where they are to differ from the layers'.
    """
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> tuple[Digest, int]:
        (blobs / Digest.of(data).hex).write_bytes(data)
        return Digest.of(data), len(data)

    entries = []
    for text in platforms or [str(Platform.host())]:
        platform = Platform.parse(text)
        config = ImageConfig(
            platform.architecture,
            platform.os,
            platform.variant,
            created="2020-01-02T03:04:05Z",
            config=ContainerConfig(cmd=("/bin/sh",), env=("PATH=/bin",)),
            diff_ids=tuple(DiffId.of(layer) for layer in named or layers),
            history=tuple(History("2020-01-02T03:04:05Z", f"layer {i}") for i in range(len(layers))),
        )
        packed = [put(gzip.compress(layer, mtime=0)) for layer in layers]
        manifest = Manifest.make(
            Descriptor(media_types.OCI_CONFIG, *put(config.serialize())),
            [Descriptor(media_types.OCI_LAYER_GZIP, *blob) for blob in packed],
        )
        entries.append(Descriptor(manifest.media_type, *put(manifest.raw), platform=platform))
    index = Index.make(entries)
    tagged = Descriptor(
        index.media_type, *put(index.raw), annotations=(("org.opencontainers.image.ref.name", "1"),)
    )
    (directory / "index.json").write_bytes(Index.make([tagged]).raw)
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return index


def save_layout(store: Store, image: ImageRecord, directory: Path, name: str = "") -> Manifest:
    """Our own layout of an image of the store in `directory`; gives its manifest."""
    names = (Reference.parse(name),) if name else ()
    (saved,) = save(store, [SavedImage(image, names)], LayoutDirectory(str(directory)), BlobForm())
    manifest = parse_manifest((directory / blob_path(saved.digest)).read_bytes(), saved.media_type)
    assert isinstance(manifest, Manifest)
    return manifest


class RealRegistry:
    """A running docker-registry."""

    def __init__(self, port: int, credentials: str = "") -> None:
        self.netloc = f"127.0.0.1:{port}"
        self._credentials = credentials

    def fill(self, layout: Path, name: str, *options: str) -> None:
        """Copies the image tagged `1` of an OCI layout to `name` with skopeo."""
        login = [f"--dest-creds={self._credentials}"] if self._credentials else []
        command = ["skopeo", "copy", "--dest-tls-verify=false", "--all", *login, *options]
        run([*command, f"oci:{layout}:1", f"docker://{self.netloc}/{name}"])


def run(command: Sequence[str]) -> str:
    """What a tool prints; its complaint becomes the test's failure."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr}"
    return done.stdout


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skips where Debian's packages of these tools are missing."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


@contextmanager
def real_registry(
    directory: Path, *, password: str = "", tls: tuple[str, str] | None = None
) -> Iterator[RealRegistry]:
    """docker-registry on storage in `directory`; user alice if `password`; tls is (certificate, key)."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    http: dict[str, object] = {"addr": f"127.0.0.1:{port}"}
    if tls:
        http["tls"] = {"certificate": tls[0], "key": tls[1]}
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}},
        "http": http,
    }
    if password:
        users = directory / "users"
        users.write_text(f"alice:{bcrypt(password)}\n")
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(users)}}
    path = directory / "registry.yml"
    path.write_text(json.dumps(config))  # JSON is YAML
    with open(directory / "registry.log", "wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(path)], stdout=log, stderr=log)
    try:
        _wait_for(process, port, directory / "registry.log")
        yield RealRegistry(port, f"alice:{password}" if password else "")
    finally:
        process.terminate()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"docker-registry does not start: {log.read_text(errors='replace')[-2000:]}")


def bcrypt(password: str) -> str:
    """A bcrypt hash by the system's libcrypt, the only kind that docker-registry takes."""
    try:
        library = ctypes.CDLL("libcrypt.so.1")
    except OSError:
        pytest.skip("needs libcrypt.so.1 for a bcrypt hash")
    library.crypt.restype = ctypes.c_char_p
    hashed = library.crypt(password.encode(), b"$2y$05$abcdefghijklmnopqrstuu")
    if not hashed or not hashed.startswith(b"$2y$"):
        pytest.skip("this libcrypt has no bcrypt")
    return str(hashed.decode())
