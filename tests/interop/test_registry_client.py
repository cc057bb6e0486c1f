"""The registry client against Debian's real docker-registry, filled by skopeo."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.oci_tools import RealRegistry, needs, real_registry, tar_of, write_oci_layout
from tests.unit.registry.fake_registry import self_signed

from cowl.config import Config
from cowl.errors import Denied, NotFound
from cowl.oci import media_types
from cowl.oci.manifest import PlatformNotFound
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.registry.client import Client, Resolved

pytestmark = needs("docker-registry", "skopeo")

LAYERS = [tar_of({"a": b"one"}), tar_of({"b": bytes(range(256)) * 5000})]
ARM = Platform.parse("linux/arm64")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("layout")
    write_oci_layout(directory, LAYERS, ["linux/amd64", "linux/arm64"])
    return directory


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, layout: Path) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("registry")) as running:
        running.fill(layout, "team/app:1")
        running.fill(layout, "team/docker:1", "--format=v2s2")
        yield running


def contents(client: Client, resolved: Resolved) -> list[bytes]:
    found = []
    for layer in resolved.manifest.layers:
        with client.open_blob(resolved.reference, layer) as stream:
            found.append(gzip.decompress(stream.read()))
    return found


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("team/app:1", media_types.OCI_MANIFEST), ("team/docker:1", media_types.DOCKER_MANIFEST)],
)
def test_an_index_a_config_and_layers(registry: RealRegistry, name: str, media_type: str) -> None:
    with Client(Config(root="/nonexistent")) as client:
        for platform in (ARM, Platform.parse("linux/amd64")):
            resolved = client.resolve(Reference.parse(f"{registry.netloc}/{name}"), platform)
            assert resolved.manifest.media_type == media_type
            assert json.loads(client.fetch_config(resolved))["architecture"] == platform.architecture
            assert contents(client, resolved) == LAYERS
            again = client.resolve(resolved.reference.with_digest(resolved.digest), platform)
            assert again.manifest == resolved.manifest


def test_what_it_does_not_have(registry: RealRegistry) -> None:
    with Client(Config(root="/nonexistent")) as client:
        for name in ("team/app:2", "nobody/app:1", f"team/app@sha256:{'0' * 64}"):
            with pytest.raises(NotFound, match="manifest unknown"):
                client.resolve(Reference.parse(f"{registry.netloc}/{name}"), ARM)
        with pytest.raises(PlatformNotFound):
            client.resolve(Reference.parse(f"{registry.netloc}/team/app:1"), Platform.parse("linux/s390x"))


def test_a_real_range_request(registry: RealRegistry) -> None:
    with Client(Config(root="/nonexistent")) as client:
        resolved = client.resolve(Reference.parse(f"{registry.netloc}/team/app:1"), ARM)
        with client.open_blob(resolved.reference, resolved.manifest.layers[1]) as stream:
            first = stream.read(1000)
            stream.abort()
            stream._resumes = 0  # as if the connection had broken by itself
            assert gzip.decompress(first + stream.read()) == LAYERS[1]


def test_basic_login(tmp_path: Path, layout: Path) -> None:
    with real_registry(tmp_path, password="s3cret") as registry:
        registry.fill(layout, "app:1")
        reference = Reference.parse(f"{registry.netloc}/app:1")
        with Client(Config(root="/nonexistent")) as client, pytest.raises(Denied, match="no basic auth"):
            client.resolve(reference, ARM)
        for password, right in (("s3cret", True), ("wrong", False)):
            auth_file = tmp_path / "config.json"
            auth = base64.b64encode(f"alice:{password}".encode()).decode()
            auth_file.write_text(json.dumps({"auths": {registry.netloc: {"auth": auth}}}))
            with Client(Config(root="/nonexistent", auth_file=str(auth_file))) as client:
                if right:
                    assert contents(client, client.resolve(reference, ARM)) == LAYERS
                else:
                    with pytest.raises(Denied):
                        client.resolve(reference, ARM)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
def test_tls_on_loopback_and_as_a_mirror_of_docker_hub(tmp_path: Path, layout: Path) -> None:
    _, certificate = self_signed(tmp_path, "localhost")
    with real_registry(tmp_path, tls=(certificate, str(tmp_path / "localhost.key"))) as registry:
        registry.fill(layout, "library/app:1")
        config = Config(root="/nonexistent", mirrors=(("docker.io", registry.netloc),))
        with Client(config) as client:
            assert contents(client, client.resolve(Reference.parse("app:1"), ARM)) == LAYERS
