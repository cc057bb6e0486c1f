"""Pull: images arrive whole or not at all, and what is there is not fetched again."""

from __future__ import annotations

import gzip
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.registry.fake_registry import Answer, FakeRegistry, Seen, entry_for, image_of
from tests.unit.transfer.conftest import Puller

from cowl.config import Config
from cowl.errors import Corrupt, CowlError, Invalid, NotFound, Unavailable
from cowl.events import BlobProgress, Event, PullFinished, PullStarted, Warned, silent
from cowl.layer.view import MergedView
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import DiffId, Digest
from cowl.oci.manifest import Index, Manifest
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.registry.blob import DigestMismatch, SizeMismatch
from cowl.store.images import ImageRecord
from cowl.store.store import Store
from cowl.transfer.fetch import DiffIdMismatch
from cowl.transfer.pull import NotAnImage, PlatformMismatch, pull

HOST = Platform.host()


def entry(name: str, **fields: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.mtime = 1_000_000_000
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def tar(*entries: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for item in entries:
            if isinstance(item, tuple):
                archive.addfile(entry(item[0], size=len(item[1])), io.BytesIO(item[1]))
            else:
                archive.addfile(item)
    return buffer.getvalue()


def directory(name: str, **fields: Any) -> tarfile.TarInfo:
    return entry(name, **{"type": tarfile.DIRTYPE, "mode": 0o755, **fields})


BASE = tar(directory("etc"), ("etc/name", b"base\n"), ("etc/gone", b"soon"))
TOP = tar(directory("etc"), ("etc/name", b"top\n"), ("etc/.wh.gone", b""))


def read(view: MergedView, path: str) -> bytes:
    return view.read_file(path, 1 << 20)


class TestArrival:
    def test_an_image_of_two_layers(self, puller: Puller) -> None:
        manifest, image = puller.registry.add_image("app", "1", [BASE, TOP])
        record = puller()
        name = f"{puller.registry.netloc}/app"
        assert record.id == Digest.of(image.serialize())
        assert record.config_bytes == image.serialize()
        assert record.references == (f"{name}:1",)
        assert record.repo_digests == (f"{name}@{manifest.digest}",)
        assert [layer.diff_id for layer in record.layers] == [DiffId.of(BASE), DiffId.of(TOP)]
        view = puller.store.view(record.layer_keys)
        assert read(view, "/etc/name") == b"top\n"
        assert view.lookup("/etc/gone") is None
        assert puller.store.check() == []
        assert puller.store.images.find(f"{name}:1") == record

    def test_what_it_says(self, puller: Puller) -> None:
        manifest, _ = puller.registry.add_image("app", "1", [BASE, TOP])
        record = puller()
        first, *between, last = puller.events
        layers = tuple((str(layer.digest), layer.size) for layer in manifest.layers)
        name = f"{puller.registry.netloc}/app:1"
        assert first == PullStarted(name, manifest.digest, layers)
        assert last == PullFinished(name, manifest.digest, record.id, True)
        for layer in manifest.layers:
            told = [
                event for event in between if isinstance(event, BlobProgress) and event.digest == layer.digest
            ]
            assert [told[0].state, told[-2].state, told[-1].state] == ["waiting", "extracting", "done"]
            assert {event.state for event in told[1:-2]} <= {"downloading"}
            assert [event.done for event in told] == sorted(event.done for event in told)
            assert (told[-1].done, told[-1].total) == (layer.size, layer.size)

    def test_again_nothing_is_fetched(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [BASE, TOP])
        first = puller()
        second = puller()
        assert second.replace(last_used=0) == first.replace(last_used=0)
        assert puller.registry.paths().count("/v2/app/manifests/1") >= 1
        assert puller.blobs_fetched() == 0
        finished = puller.events[-1]
        assert isinstance(finished, PullFinished)
        assert not finished.fresh
        assert [event.state for event in puller.events if isinstance(event, BlobProgress)] == ["exists"] * 2

    def test_a_second_name_is_fresh(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [BASE])
        puller.registry.add_image("app", "2", [BASE])
        puller()
        record = puller("app:2")
        assert len(record.references) == 2
        assert isinstance(puller.events[-1], PullFinished)
        assert puller.events[-1].fresh

    def test_shared_layers_are_fetched_once_whatever_they_lie_on(self, puller: Puller) -> None:
        other = tar(("other", b"x"))
        puller.registry.add_image("app", "1", [BASE, TOP])
        puller.registry.add_image("app", "2", [other, TOP])
        one = puller()
        two = puller("app:2")
        assert puller.blobs_fetched() == 2  # a config and a layer
        assert one.layers[1] == two.layers[1]
        assert len(puller.store.layers.list()) == 3

    def test_a_layer_that_was_compressed_otherwise_is_not_fetched(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [BASE])
        puller()
        plain = puller.registry.add_blob("other", BASE)
        config = image_of([BASE], author="other").serialize()
        manifest = Manifest.make(
            Descriptor(media_types.DOCKER_CONFIG, puller.registry.add_blob("other", config), len(config)),
            [Descriptor(media_types.DOCKER_LAYER, plain, len(BASE))],
            media_type=media_types.DOCKER_MANIFEST,
        )
        puller.registry.add_manifest("other", "1", manifest)
        puller("other:1")
        assert puller.blobs_fetched() == 1

    def test_by_digest_it_gets_no_name(self, puller: Puller) -> None:
        manifest, _ = puller.registry.add_image("app", "1", [BASE])
        record = puller(f"app@{manifest.digest}")
        assert record.references == ()
        assert record.repo_digests == (f"{puller.registry.netloc}/app@{manifest.digest}",)

    def test_the_digest_is_that_of_the_index(self, puller: Puller) -> None:
        manifest, _ = puller.registry.add_image("app", "x", [BASE])
        index = Index.make([entry_for(manifest, str(HOST))])
        puller.registry.add_manifest("app", "1", index)
        assert puller().repo_digests == (f"{puller.registry.netloc}/app@{index.digest}",)

    def test_a_name_moves_to_the_newer_image(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [BASE])
        old = puller()
        puller.registry.add_image("app", "1", [TOP])
        new = puller()
        assert new.id != old.id
        assert puller.store.images.get(old.id).references == ()

    def test_no_layers_at_all(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [])
        assert puller().layers == ()

    def test_the_same_layer_twice(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [BASE, TOP, BASE])
        record = puller()
        assert len(record.layers) == 3
        assert puller.blobs_fetched() == 3

    def test_many_layers(self, puller: Puller) -> None:
        layers = [tar((f"file-{number}", b"x" * number)) for number in range(40)]
        puller.registry.add_image("app", "1", layers)
        record = puller()
        assert [layer.diff_id for layer in record.layers] == [DiffId.of(layer) for layer in layers]

    def test_a_large_layer_comes_in_pieces(self, puller: Puller) -> None:
        data = b"".join(Digest.of(str(number).encode()).encode() for number in range(100_000))
        puller.registry.add_image("app", "1", [tar(("data", data)), tar(("more", data[::-1]))])
        record = puller()
        view = puller.store.view(record.layer_keys)
        assert view.read_file("/data", 1 << 24) == data
        assert view.read_file("/more", 1 << 24) == data[::-1]

    def test_plain_and_zstd_layers(self, puller: Puller) -> None:
        zstd = pytest.importorskip("backports.zstd")
        config = image_of([BASE, TOP]).serialize()
        packed = zstd.compress(TOP)
        add = puller.registry.add_blob
        manifest = Manifest.make(
            Descriptor(media_types.OCI_CONFIG, add("app", config), len(config)),
            [
                Descriptor(media_types.OCI_LAYER, add("app", BASE), len(BASE)),
                Descriptor(media_types.OCI_LAYER_ZSTD, add("app", packed), len(packed)),
            ],
        )
        puller.registry.add_manifest("app", "1", manifest)
        assert read(puller.store.view(puller().layer_keys), "/etc/name") == b"top\n"


class TestParents:
    """Layers that can only be unpacked on what lies below."""

    def test_a_hard_link_into_the_layer_below(self, puller: Puller) -> None:
        link = entry("etc/link", type=tarfile.LNKTYPE, linkname="etc/name")
        puller.registry.add_image("app", "1", [BASE, tar(directory("etc"), link)])
        record = puller()
        view = puller.store.view(record.layer_keys)
        assert read(view, "/etc/link") == b"base\n"
        assert record.layers[1].parent_chain
        assert record.layers[1].diff_id != record.layers[1].key

    def test_parents_that_only_the_layer_below_has(self, puller: Puller) -> None:
        base = tar(directory("srv", mode=0o700))
        puller.registry.add_image("app", "1", [base, tar(("srv/file", b"x"))])
        record = puller()
        node = puller.store.view(record.layer_keys).lookup("/srv")
        assert node is not None

    def test_a_base_that_only_implies_a_directory_is_not_taken_for_a_layer_above(
        self, puller: Puller
    ) -> None:
        implied = tar(("srv/file", b"x"))
        puller.registry.add_image("low", "1", [implied])
        puller.registry.add_image("app", "1", [tar(directory("srv", mode=0o700)), implied])
        puller("low:1")
        node = puller.store.view(puller("app:1").layer_keys).lookup("/srv")
        assert node is not None
        assert node.status.st_mode & 0o777 == 0o700

    def test_a_slow_layer_below_is_waited_for(self, puller: Puller) -> None:
        link = entry("etc/link", type=tarfile.LNKTYPE, linkname="etc/name")
        top = tar(directory("etc"), link)
        manifest, _ = puller.registry.add_image("app", "1", [BASE, top])
        asked = threading.Event()
        low, high = (f"/v2/app/blobs/{layer.digest}" for layer in manifest.layers)
        below, above = puller.registry.answers[low], puller.registry.answers[high]
        assert isinstance(below, Answer)
        assert isinstance(above, Answer)

        def slow(_seen: Seen) -> Answer:
            asked.wait(10)
            return below

        def fast(_seen: Seen) -> Answer:
            asked.set()
            return above

        puller.registry.answers[low] = slow
        puller.registry.answers[high] = fast
        assert read(puller.store.view(puller().layer_keys), "/etc/link") == b"base\n"

    def test_a_link_to_nothing(self, puller: Puller) -> None:
        link = entry("etc/link", type=tarfile.LNKTYPE, linkname="etc/missing")
        puller.registry.add_image("app", "1", [BASE, tar(directory("etc"), link)])
        with pytest.raises(CowlError):
            puller()
        puller.assert_nothing_published()


def spoil(registry: FakeRegistry, digest: Digest, change: Callable[[bytes], Answer]) -> None:
    path = f"/v2/app/blobs/{digest}"
    good = registry.answers[path]
    assert isinstance(good, Answer)
    registry.answers[path] = change(good.body)


class TestRefusals:
    """Threats 10 and 11: a typed error, and nothing published."""

    @pytest.mark.parametrize("which", [0, 1])
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            (lambda body: Answer(body=body[:-9] + bytes(1) + body[-8:]), DigestMismatch),
            (lambda body: Answer(body=body[:30] + b"\xff" + body[31:]), DigestMismatch),
            (lambda body: Answer(body=bytes(len(body))), DigestMismatch),
            (lambda body: Answer(body=body[:-1]), SizeMismatch),
            (lambda body: Answer(body=body + b"x"), SizeMismatch),
            (lambda body: Answer(body=body[:20], length=len(body)), Unavailable),
            (lambda body: Answer(404), NotFound),
        ],
    )
    def test_a_spoiled_layer(
        self, puller: Puller, which: int, change: Callable[[bytes], Answer], error: type[CowlError]
    ) -> None:
        manifest, _ = puller.registry.add_image("app", "1", [BASE, TOP])
        spoil(puller.registry, manifest.layers[which].digest, change)
        with pytest.raises(error):
            puller()
        puller.assert_nothing_published()

    def test_after_a_failure_the_next_pull_succeeds(self, puller: Puller) -> None:
        manifest, _ = puller.registry.add_image("app", "1", [BASE, TOP])
        path = f"/v2/app/blobs/{manifest.layers[1].digest}"
        good = puller.registry.answers.pop(path)
        with pytest.raises(NotFound):
            puller()
        puller.registry.answers[path] = good
        assert len(puller().layers) == 2

    def test_a_spoiled_config(self, puller: Puller) -> None:
        manifest, _ = puller.registry.add_image("app", "1", [BASE])
        spoil(puller.registry, manifest.config.digest, lambda body: Answer(body=b" " * len(body)))
        with pytest.raises(DigestMismatch):
            puller()
        puller.assert_nothing_published()

    def test_a_layer_that_is_not_the_one_of_the_config(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [BASE], diff_ids=(DiffId.of(TOP),))
        with pytest.raises(DiffIdMismatch) as caught:
            puller()
        assert (caught.value.expected, caught.value.actual) == (DiffId.of(TOP), DiffId.of(BASE))
        puller.assert_nothing_published()

    def test_bytes_behind_the_tar_count(self, puller: Puller) -> None:
        padded = BASE + bytes(20480)
        puller.registry.add_image("app", "1", [padded], diff_ids=(DiffId.of(BASE),))
        with pytest.raises(DiffIdMismatch):
            puller()
        puller.registry.add_image("app", "2", [padded])
        assert puller("app:2").layers[0].tar_bytes == len(padded)

    def test_an_escaping_layer(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [BASE, tar(("../escaped", b"x"))])
        with pytest.raises(CowlError):
            puller()
        puller.assert_nothing_published()

    @pytest.mark.parametrize("packed", [b"", b"not gzip", gzip.compress(b"not a tar" * 99, mtime=0)])
    def test_a_layer_that_is_no_archive(self, puller: Puller, packed: bytes) -> None:
        config = image_of([BASE]).serialize()
        manifest = Manifest.make(
            Descriptor(media_types.OCI_CONFIG, puller.registry.add_blob("app", config), len(config)),
            [Descriptor(media_types.OCI_LAYER_GZIP, puller.registry.add_blob("app", packed), len(packed))],
        )
        puller.registry.add_manifest("app", "1", manifest)
        with pytest.raises((Invalid, Corrupt)):
            puller()
        puller.assert_nothing_published()

    def test_layers_that_do_not_match_in_number(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [BASE], diff_ids=(DiffId.of(BASE), DiffId.of(TOP)))
        with pytest.raises(NotAnImage, match="2 layers, its manifest 1"):
            puller()
        puller.assert_nothing_published()

    def test_things_that_are_no_images(self, puller: Puller) -> None:
        manifest, _ = puller.registry.add_image("app", "x", [BASE])
        chart = "application/vnd.cncf.helm.config.v1+json"
        odd = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"
        documents = {
            "chart": Manifest.make(manifest.config.replace(media_type=chart), manifest.layers),
            "odd": Manifest.make(manifest.config, [manifest.layers[0].replace(media_type=odd)]),
        }
        for tag, document in documents.items():
            puller.registry.add_manifest("app", tag, document)
            with pytest.raises(NotAnImage, match="type"):
                puller(f"app:{tag}")
            assert puller.blobs_fetched() == 0
        puller.assert_nothing_published()

    def test_windows(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [BASE], os="windows")
        with pytest.raises(NotAnImage, match='operating system "windows"'):
            puller()
        puller.assert_nothing_published()

    def test_another_platform(self, puller: Puller) -> None:
        puller.registry.add_image("app", "1", [BASE], architecture="s390x", variant="")
        with pytest.raises(PlatformMismatch, match="does not match the specified platform"):
            puller(platform="linux/riscv64")
        puller.assert_nothing_published()
        puller()
        assert any(isinstance(event, Warned) and "s390x" in event.message for event in puller.events)


def stalled(start: bytes, until: threading.Event) -> Iterator[bytes]:
    """A body that begins and does not go on."""
    yield start
    until.wait(30)


class TestInterruption:
    def test_a_listener_that_raises_ends_the_pull(self, registry: FakeRegistry, store: Store) -> None:
        registry.add_image("app", "1", [BASE, TOP])

        class Stop(Exception):
            pass

        for state in ("waiting", "downloading", "extracting", "done"):

            def listen(event: Event, state: str = state) -> None:
                if isinstance(event, BlobProgress) and event.state == state:
                    raise Stop

            with pytest.raises(Stop):
                pull(
                    Reference.parse(f"{registry.netloc}/app:1"),
                    None,
                    store=store,
                    config=Config(root=store.root),
                    emit=listen,
                )
        Puller(registry, store).assert_nothing_published()
        assert [thread.name for thread in threading.enumerate() if "cowl" in thread.name] == []

    def test_a_failure_does_not_wait_for_the_other_layer(self, puller: Puller) -> None:
        manifest, _ = puller.registry.add_image("app", "1", [BASE, TOP])
        hold = threading.Event()
        spoil(
            puller.registry,
            manifest.layers[0].digest,
            lambda body: Answer(chunks=lambda: stalled(body[:10], hold), length=len(body)),
        )
        del puller.registry.answers[f"/v2/app/blobs/{manifest.layers[1].digest}"]
        try:
            with pytest.raises(NotFound):
                puller()
            assert not hold.is_set()
        finally:
            hold.set()
        puller.assert_nothing_published()

    def test_a_hostile_layer_does_not_hold_us(self, puller: Puller) -> None:
        hostile = tar(("../escaped", b"x"))
        hold = threading.Event()
        config = image_of([hostile]).serialize()
        claimed = 1 << 30
        layer = Descriptor(media_types.OCI_LAYER, Digest.of(hostile), claimed)
        registry = puller.registry
        add = registry.add_blob("app", config)
        manifest = Manifest.make(Descriptor(media_types.OCI_CONFIG, add, len(config)), [layer])
        registry.add_manifest("app", "1", manifest)
        registry.answers[f"/v2/app/blobs/{layer.digest}"] = Answer(
            chunks=lambda: stalled(hostile + bytes(1 << 20), hold), length=claimed
        )
        try:
            with pytest.raises(Invalid):
                puller()
            assert not hold.is_set()
        finally:
            hold.set()
        puller.assert_nothing_published()


class TestCompany:
    def test_two_pulls_at_once_fetch_each_layer_once(self, registry: FakeRegistry, store: Store) -> None:
        layers = [tar((f"file-{number}", bytes([number]) * 200_000)) for number in range(6)]
        manifest, _ = registry.add_image("app", "1", layers)
        with Store.open(Config(root=store.root)) as second:
            pulled: list[ImageRecord] = []
            reference = Reference.parse(f"{registry.netloc}/app:1")

            def run(into: Store) -> None:
                config = Config(root=store.root)
                pulled.append(pull(reference, None, store=into, config=config, emit=silent))

            threads = [threading.Thread(target=run, args=(opened,)) for opened in (store, second)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(pulled) == 2
        assert pulled[0].layers == pulled[1].layers
        paths = registry.paths()
        for layer in manifest.layers:
            assert paths.count(f"/v2/app/blobs/{layer.digest}") == 1
        assert store.check() == []
