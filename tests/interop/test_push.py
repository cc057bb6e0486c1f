"""Push to Debian's real docker-registry: round trips, digests, what is not sent again, logins."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import RealRegistry, needs, real_registry, run, tar_of, write_oci_layout

from cowl.config import Config
from cowl.errors import Denied
from cowl.events import BlobProgress, Event, silent
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.reference import Reference
from cowl.outputs import UNCOMPRESSED, ZSTD, BlobForm
from cowl.registry import upload
from cowl.store.images import ImageRecord
from cowl.store.store import Store
from cowl.transfer.import_tar import import_tar
from cowl.transfer.pull import pull
from cowl.transfer.push import push

pytestmark = needs("docker-registry", "skopeo")
LAYERS = [tar_of({"a": b"one" * 1000}), tar_of({"b": os.urandom(3_000_000)})]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(Config(root=str(tmp_path / "store"))) as opened:
        yield opened


def imported(store: Store, layer: bytes = LAYERS[1]) -> ImageRecord:
    return import_tar(io.BytesIO(layer), reference=None, store=store, emit=silent, clock=lambda: 1e9)


class Pusher:
    def __init__(self, registry: RealRegistry, store: Store, auth_file: str = "") -> None:
        self.registry = registry
        self.store = store
        self.config = Config(root=store.root, auth_file=auth_file)
        self.states: list[str] = []

    def __call__(self, image: ImageRecord, name: str, form: BlobForm | None = None) -> Descriptor:
        self.states = []

        def hear(event: Event) -> None:
            if isinstance(event, BlobProgress) and (event.state != "pushing"):
                self.states.append(event.state)

        return push(
            image,
            Reference.parse(f"{self.registry.netloc}/{name}"),
            store=self.store,
            config=self.config,
            emit=hear,
            form=form or BlobForm(),
        )

    def pull(self, name: str) -> ImageRecord:
        reference = Reference.parse(f"{self.registry.netloc}/{name}")
        return pull(reference, None, store=self.store, config=self.config, emit=silent)


@pytest.mark.parametrize(
    "form",
    [BlobForm(), BlobForm(ZSTD), BlobForm(UNCOMPRESSED), BlobForm(oci_types=False)],
    ids=["gzip", "zstd", "plain", "docker"],
)
def test_a_round_trip_keeps_the_image_and_the_digest(
    registry: RealRegistry, store: Store, tmp_path: Path, form: BlobForm
) -> None:
    image = imported(store)
    pushed = Pusher(registry, store)(image, f"trip-{form.compression}-{form.oci_types}".lower() + ":1", form)
    name = f"trip-{form.compression}-{form.oci_types}".lower()
    seen = json.loads(
        run(["skopeo", "inspect", "--tls-verify=false", f"docker://{registry.netloc}/{name}:1"])
    )
    assert seen["Digest"] == pushed.digest
    with Store.open(Config(root=str(tmp_path / "other"))) as other:
        again = Pusher(registry, other).pull(f"{name}:1")
        assert again.id == image.id
        assert again.repo_digests == (f"{registry.netloc}/{name}@{pushed.digest}",)
        assert [layer.diff_id for layer in again.layers] == [layer.diff_id for layer in image.layers]
        # and from there once more, with nothing but what is on record
        pusher = Pusher(registry, other)
        assert pusher(again, f"{name}:2", form) == pushed
        assert set(pusher.states) == {"there"}


def test_pushing_twice_sends_once(registry: RealRegistry, store: Store) -> None:
    image = imported(store)
    pusher = Pusher(registry, store)
    first = pusher(image, "twice:1")
    assert pusher.states == ["pushed"]
    assert pusher(image, "twice:2") == first
    assert pusher.states == ["there"]


def test_another_store_packs_the_same_blob(registry: RealRegistry, store: Store, tmp_path: Path) -> None:
    first = Pusher(registry, store)(imported(store), "same:1")
    with Store.open(Config(root=str(tmp_path / "other"))) as other:
        pusher = Pusher(registry, other)
        assert pusher(imported(other), "same:2").digest != ""
        assert pusher.states == ["there"]  # packed here, found to be there by its digest
    assert first.media_type == media_types.OCI_MANIFEST


def test_a_pulled_layer_keeps_its_blob_and_is_mounted_elsewhere(
    registry: RealRegistry, store: Store, tmp_path: Path
) -> None:
    write_oci_layout(tmp_path / "made", LAYERS)
    registry.fill(tmp_path / "made", "team/base:1")
    pusher = Pusher(registry, store)
    image = pusher.pull("team/base:1")
    where = f"docker://{registry.netloc}"
    before = json.loads(run(["skopeo", "inspect", "--tls-verify=false", f"{where}/team/base:1"]))["Layers"]
    pusher(image, "team/base:2")
    assert pusher.states == ["there", "there"]
    pusher(image, "other/app:1")
    assert pusher.states == ["mounted", "mounted"]
    for name in ("team/base:2", "other/app:1"):
        after = json.loads(run(["skopeo", "inspect", "--tls-verify=false", f"{where}/{name}"]))["Layers"]
        assert after == before
    pusher(image, "team/base:3", BlobForm(ZSTD, forced=True))
    assert pusher.states == ["pushed", "pushed"]


def test_chunks(registry: RealRegistry, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "CHUNK_BYTES", 1 << 20)
    image = imported(store)
    pushed = Pusher(registry, store)(image, "chunks:1")
    again = Pusher(registry, store).pull(f"chunks@{pushed.digest}")
    assert again.id == image.id


def test_a_login_and_none(tmp_path: Path, store: Store) -> None:
    (tmp_path / "registry").mkdir()
    with real_registry(tmp_path / "registry", password="s3cret") as registry:
        image = imported(store)
        with pytest.raises(Denied, match="no basic auth"):
            Pusher(registry, store)(image, "app:1")
        auth = base64.b64encode(b"alice:s3cret").decode()
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"auths": {registry.netloc: {"auth": auth}}}))
        pusher = Pusher(registry, store, auth_file=str(config))
        pushed = pusher(image, "app:1")
        assert pusher.pull("app:1").repo_digests == (f"{registry.netloc}/app@{pushed.digest}",)


def test_build_and_push(registry: RealRegistry, caller: Caller, busybox_tar: Path) -> None:
    caller.cowl("import", "-", "base", stdin=busybox_tar.read_bytes())
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM base\nRUN echo x > /x\n")
    caller.give(context)
    name = f"{registry.netloc}/built-{caller.name}"
    done = caller.cowl("build", "-t", f"{name}:1", "--push", "--metadata-file", "meta", "context")
    meta = json.loads((caller.home / "meta").read_text())
    said = done.stderr.decode()
    assert f"pushing manifest for {name}:1@{meta['containerimage.digest']} done" in said
    seen = json.loads(run(["skopeo", "inspect", "--tls-verify=false", f"docker://{name}:1"]))
    assert seen["Digest"] == meta["containerimage.digest"]
    digest = caller.text("images", "--digests", "--format", "{{.Digest}}", name)
    assert digest == meta["containerimage.digest"]
    refused = caller.cowl("build", "--push", "context", status=1)
    assert "tag is needed when pushing to registry" in refused.stderr.decode()
    again = caller.cowl("build", "-o", f"type=registry,name={name}:2", "context").stderr.decode()
    assert f"{name}:2@{meta['containerimage.digest']}" in again
