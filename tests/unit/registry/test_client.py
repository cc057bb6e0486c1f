"""Pulling from registries, kind and hostile: threats 10, 11 and 14, and what a flaky one does."""

from __future__ import annotations

import gzip
import io
import resource
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from tests.unit.registry.fake_registry import Answer, FakeRegistry, Seen, entry_for

from cowl.errors import CowlError, Denied, Invalid, NotFound, Unavailable
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import Digest, InvalidDigest
from cowl.oci.manifest import MAX_MANIFEST_BYTES, Index, InvalidManifest, Manifest, PlatformNotFound
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.registry.blob import DigestMismatch, SizeMismatch
from cowl.registry.client import Client
from cowl.registry.failures import RegistryUnavailable
from cowl.registry.repository import AccessDenied, BlobUnknown, ManifestUnknown

HOST = Platform.host()
LAYER = b"not quite a tar" * 5000
Make = Callable[..., Client]


def ref(registry: FakeRegistry, rest: str = "app:1") -> Reference:
    return Reference.parse(f"{registry.netloc}/{rest}")


def manifest_answer(registry: FakeRegistry, raw: bytes, content_type: str = media_types.OCI_MANIFEST) -> None:
    registry.answers["/v2/app/manifests/1"] = Answer(headers=(("Content-Type", content_type),), body=raw)


class TestResolving:
    def test_an_image_and_its_blobs(self, registry: FakeRegistry, client: Make) -> None:
        manifest, image = registry.add_image("app", "1", [LAYER])
        resolved = client().resolve(ref(registry), HOST)
        assert resolved.manifest == manifest
        assert resolved.digest == manifest.digest
        assert client().fetch_config(resolved) == image.serialize()
        with client().open_blob(resolved.reference, manifest.layers[0]) as stream:
            assert gzip.decompress(stream.read()) == LAYER

    def test_latest_is_the_default(self, registry: FakeRegistry, client: Make) -> None:
        manifest, _ = registry.add_image("deep/er/app", "latest", [LAYER])
        assert client().resolve(ref(registry, "deep/er/app"), HOST).manifest == manifest

    def test_an_index_is_resolved_for_the_platform(self, registry: FakeRegistry, client: Make) -> None:
        arm, _ = registry.add_image("app", "arm", [LAYER], architecture="arm64")
        amd, _ = registry.add_image("app", "amd", [LAYER], architecture="amd64")
        index = Index.make([entry_for(arm, "linux/arm64"), entry_for(amd, "linux/amd64")])
        registry.add_manifest("app", "1", index)
        resolved = client().resolve(ref(registry), Platform.parse("linux/arm64/v8"))
        assert resolved.manifest == arm
        assert resolved.digest == index.digest
        with pytest.raises(PlatformNotFound) as caught:
            client().resolve(ref(registry), Platform.parse("linux/s390x"))
        assert "it offers linux/arm64, linux/amd64" in caught.value.hint

    def test_a_digest_wins_over_the_tag(self, registry: FakeRegistry, client: Make) -> None:
        manifest, _ = registry.add_image("app", "1", [LAYER])
        registry.add_image("app", "2", [LAYER + b"!"])
        found = client().resolve(ref(registry, f"app:2@{manifest.digest}"), HOST)
        assert found.manifest == manifest

    def test_what_is_not_there(self, registry: FakeRegistry, client: Make) -> None:
        with pytest.raises(ManifestUnknown) as caught:
            client().resolve(ref(registry), HOST)
        assert caught.value.message.startswith(
            f"manifest for {registry.netloc}/app:1 not found: manifest unknown"
        )
        with pytest.raises(BlobUnknown):
            client().open_blob(ref(registry), Descriptor(media_types.OCI_LAYER, Digest.of(b""), 0))

    def test_what_is_forbidden(self, registry: FakeRegistry, client: Make) -> None:
        body = b'{"errors":[{"code":"DENIED","message":"go\\u001b[31m away\\n"}]}'
        registry.answers["/v2/app/manifests/1"] = Answer(403, body=body)
        with pytest.raises(AccessDenied) as caught:
            client().resolve(ref(registry), HOST)
        assert "pull access denied for" in caught.value.message
        assert "\x1b" not in caught.value.message
        assert "\n" not in caught.value.message


class TestConfusion:
    """Threat 10: a document must be what it claims, and nothing else besides."""

    def test_both_an_index_and_an_image(self, registry: FakeRegistry, client: Make) -> None:
        manifest, _ = registry.add_image("app", "1", [LAYER])
        manifest_answer(registry, manifest.raw[:-1] + b',"manifests":[]}')
        with pytest.raises(InvalidManifest, match="both"):
            client().resolve(ref(registry), HOST)

    @pytest.mark.parametrize("claimed", [media_types.OCI_INDEX, media_types.DOCKER_MANIFEST, "text/html"])
    def test_another_content_type(self, registry: FakeRegistry, client: Make, claimed: str) -> None:
        manifest, _ = registry.add_image("app", "1", [LAYER])
        manifest_answer(registry, manifest.raw, claimed)
        with pytest.raises(InvalidManifest, match="came as"):
            client().resolve(ref(registry), HOST)

    def test_an_entry_that_is_not_what_its_index_says(self, registry: FakeRegistry, client: Make) -> None:
        manifest, _ = registry.add_image("app", "x", [LAYER])
        entry = entry_for(manifest, str(HOST)).replace(media_type=media_types.DOCKER_MANIFEST)
        registry.add_manifest("app", "1", Index.make([entry]))
        with pytest.raises(InvalidManifest, match="its index says"):
            client().resolve(ref(registry), HOST)

    def test_schema_1(self, registry: FakeRegistry, client: Make) -> None:
        manifest_answer(registry, b'{"schemaVersion":1}', media_types.DOCKER_SCHEMA1_SIGNED)
        with pytest.raises(InvalidManifest, match="schema 1"):
            client().resolve(ref(registry), HOST)

    @pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"{}", b"\xff", b"[" * 50_000, b"null"])
    def test_what_is_no_manifest(self, registry: FakeRegistry, client: Make, raw: bytes) -> None:
        manifest_answer(registry, raw)
        with pytest.raises(InvalidManifest):
            client().resolve(ref(registry), HOST)

    def test_deeply_nested_indexes(self, registry: FakeRegistry, client: Make) -> None:
        document: Index | Manifest = registry.add_image("app", "x", [LAYER])[0]
        for level in range(5):
            document = Index.make([entry_for(document)])
            registry.add_manifest("app", str(level), document)
        with pytest.raises(InvalidManifest, match="nested"):
            client().resolve(ref(registry, "app:4"), HOST)
        assert client().resolve(ref(registry, "app:2"), HOST).manifest.layers

    def test_an_index_that_answers_for_everything_ends(self, registry: FakeRegistry, client: Make) -> None:
        loop = Index.make([Descriptor(media_types.OCI_INDEX, Digest.of(b"x"), 1)])
        answer = Answer(headers=(("Content-Type", media_types.OCI_INDEX),), body=loop.raw)
        registry.answers["/v2/app/manifests/1"] = answer
        registry.answers[f"/v2/app/manifests/{Digest.of(b'x')}"] = answer
        with pytest.raises(CowlError):
            client().resolve(ref(registry), HOST)
        assert len(registry.seen) < 4


class TestDigests:
    """Threats 11 and 14: hashes and sizes are checked, and malformed ones never become a path."""

    @pytest.mark.parametrize(
        "digest", ["sha256:../../../etc/passwd", "sha256:" + "0" * 63, "sha512:" + "0" * 128, "", "x/../y"]
    )
    def test_a_malformed_digest_is_never_asked_for(
        self, registry: FakeRegistry, client: Make, digest: str
    ) -> None:
        manifest, _ = registry.add_image("app", "1", [LAYER])
        raw = manifest.raw.replace(str(manifest.layers[0].digest).encode(), digest.encode())
        manifest_answer(registry, raw)
        with pytest.raises(InvalidDigest):
            client().resolve(ref(registry), HOST)
        assert registry.paths() == ["/v2/app/manifests/1"]

    def test_a_name_with_a_digest_that_the_registry_does_not_have(
        self, registry: FakeRegistry, other: FakeRegistry, client: Make
    ) -> None:
        manifest, _ = registry.add_image("app", "1", [LAYER])
        client().resolve(ref(registry), HOST)
        with pytest.raises(NotFound):
            client().resolve(ref(other, f"evil@{manifest.digest}"), HOST)

    def test_another_manifest_than_the_digest_names(self, registry: FakeRegistry, client: Make) -> None:
        wanted = Digest.of(b"wanted")
        registry.add_image("app", str(wanted), [LAYER])
        with pytest.raises(DigestMismatch):
            client().resolve(ref(registry, f"app@{wanted}"), HOST)

    def test_another_manifest_than_the_registry_announces(self, registry: FakeRegistry, client: Make) -> None:
        manifest, _ = registry.add_image("app", "1", [LAYER])
        headers = (
            ("Content-Type", media_types.OCI_MANIFEST),
            ("Docker-Content-Digest", str(Digest.of(b"another"))),
        )
        registry.answers["/v2/app/manifests/1"] = Answer(headers=headers, body=manifest.raw)
        with pytest.raises(DigestMismatch):
            client().resolve(ref(registry), HOST)

    def test_an_entry_of_another_size(self, registry: FakeRegistry, client: Make) -> None:
        manifest, _ = registry.add_image("app", "x", [LAYER])
        for size in (len(manifest.raw) - 1, len(manifest.raw) + 1):
            entry = entry_for(manifest, str(HOST)).replace(size=size)
            registry.add_manifest("app", "1", Index.make([entry]))
            with pytest.raises(SizeMismatch):
                client().resolve(ref(registry), HOST)


def blob(registry: FakeRegistry, client: Make, answer: Any, size: int = len(LAYER)) -> bytes:
    digest = Digest.of(LAYER)
    registry.answers[f"/v2/app/blobs/{digest}"] = answer
    descriptor = Descriptor(media_types.OCI_LAYER, digest, size)
    with client().open_blob(ref(registry), descriptor) as stream:
        return bytes(stream.read())


class TestBlobs:
    def test_bytes_that_are_as_they_should_be(self, registry: FakeRegistry, client: Make) -> None:
        assert blob(registry, client, Answer(body=LAYER)) == LAYER
        assert blob(registry, client, Answer(body=LAYER, length=None)) == LAYER

    def test_an_empty_blob(self, registry: FakeRegistry, client: Make) -> None:
        digest = registry.add_blob("app", b"")
        with client().open_blob(ref(registry), Descriptor(media_types.OCI_LAYER, digest, 0)) as stream:
            assert stream.read(10) == b""

    def test_one_wrong_byte(self, registry: FakeRegistry, client: Make) -> None:
        with pytest.raises(DigestMismatch):
            blob(registry, client, Answer(body=LAYER[:-1] + b"!"))

    def test_a_body_that_is_too_short(self, registry: FakeRegistry, client: Make) -> None:
        with pytest.raises(SizeMismatch):
            blob(registry, client, Answer(body=LAYER[:-1]))

    def test_a_body_that_is_too_long(self, registry: FakeRegistry, client: Make) -> None:
        with pytest.raises(SizeMismatch):
            blob(registry, client, Answer(body=LAYER + b"!"))

    def test_a_body_without_end(self, registry: FakeRegistry, client: Make) -> None:
        def endless() -> Iterator[bytes]:
            while True:
                yield b"\0" * 65536

        with pytest.raises(SizeMismatch):
            blob(registry, client, Answer(chunks=endless, length=None))

    def test_a_body_that_always_breaks_off(self, registry: FakeRegistry, client: Make) -> None:
        with pytest.raises(RegistryUnavailable, match="breaks off"):
            blob(registry, client, Answer(body=b"", length=len(LAYER)))
        assert len(registry.seen) < 10

    @pytest.mark.parametrize("ranges", [True, False])
    def test_a_broken_download_goes_on(self, registry: FakeRegistry, client: Make, ranges: bool) -> None:
        def answer(seen: Seen) -> Answer:
            if "range" not in seen.headers:
                if not ranges and len(registry.seen) > 2:
                    return Answer(body=LAYER)
                return Answer(body=LAYER[:20000], length=len(LAYER))
            start = int(seen.headers["range"].removeprefix("bytes=").removesuffix("-"))
            if not ranges:
                return Answer(body=LAYER)
            stop = start + 20000
            headers = (("Content-Range", f"bytes {start}-{len(LAYER) - 1}/{len(LAYER)}"),)
            return Answer(206, headers, LAYER[start:stop], length=len(LAYER) - start)

        assert blob(registry, client, answer) == LAYER

    def test_a_range_other_than_asked_for(self, registry: FakeRegistry, client: Make) -> None:
        def answer(seen: Seen) -> Answer:
            if "range" not in seen.headers:
                return Answer(body=LAYER[:20000], length=len(LAYER))
            return Answer(206, (("Content-Range", f"bytes 0-9/{len(LAYER)}"),), LAYER[:10])

        with pytest.raises(RegistryUnavailable, match="another range"):
            blob(registry, client, answer)

    def test_a_blob_can_be_read_in_any_way(self, registry: FakeRegistry, client: Make) -> None:
        digest = registry.add_blob("app", LAYER)
        descriptor = Descriptor(media_types.OCI_LAYER, digest, len(LAYER))
        for size in (1 << 20, 4096, len(LAYER)):
            with client().open_blob(ref(registry), descriptor) as stream:
                assert b"".join(iter(partial(stream.read, size), b"")) == LAYER
        buffer = io.BytesIO()
        with client().open_blob(ref(registry), descriptor) as stream:
            shutil.copyfileobj(stream, buffer)
        assert buffer.getvalue() == LAYER


class TestSizes:
    """Threat 7: a huge document costs no memory."""

    def test_a_manifest_of_100_mb(self, registry: FakeRegistry, client: Make) -> None:
        def spaces() -> Iterator[bytes]:
            for _ in range(100):
                yield b" " * (1 << 20)

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for length in (100 << 20, None):
            registry.answers["/v2/app/manifests/1"] = Answer(
                headers=(("Content-Type", media_types.OCI_MANIFEST),), chunks=spaces, length=length
            )
            with pytest.raises(InvalidManifest, match="refused"):
                client().resolve(ref(registry), HOST)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        assert grown < 8 * MAX_MANIFEST_BYTES

    def test_a_config_of_100_mb(self, registry: FakeRegistry, client: Make) -> None:
        manifest, _ = registry.add_image("app", "1", [LAYER])
        huge = Manifest.make(manifest.config.replace(size=100 << 20), manifest.layers)
        registry.add_manifest("app", "1", huge)
        made = client()
        with pytest.raises(Invalid, match="refused"):
            made.fetch_config(made.resolve(ref(registry), HOST))

    def test_a_token_or_error_of_100_mb(self, registry: FakeRegistry, client: Make) -> None:
        registry.answers["/v2/app/manifests/1"] = Answer(
            403, chunks=lambda: (b"x" * (1 << 20) for _ in range(100)), length=None
        )
        with pytest.raises(AccessDenied):
            client().resolve(ref(registry), HOST)


class TestFlakiness:
    def flaky(self, registry: FakeRegistry, times: int, answer: Answer) -> None:
        good = registry.answers["/v2/app/manifests/1"]
        assert isinstance(good, Answer)
        registry.answers["/v2/app/manifests/1"] = lambda _seen: (
            answer if len(registry.seen) <= times else good
        )

    def test_429_is_waited_for_as_long_as_it_says(self, registry: FakeRegistry, client: Make) -> None:
        slept: list[float] = []
        registry.add_image("app", "1", [LAYER])
        self.flaky(registry, 2, Answer(429, (("Retry-After", "7"),)))
        client(slept).resolve(ref(registry), HOST)
        assert slept == [7, 7]

    def test_429_with_a_date(self, registry: FakeRegistry, client: Make) -> None:
        slept: list[float] = []
        registry.add_image("app", "1", [LAYER])
        self.flaky(registry, 1, Answer(429, (("Retry-After", "Mon, 01 Jan 2001 00:00:00 GMT"),)))
        client(slept).resolve(ref(registry), HOST)
        assert slept == [0]

    @pytest.mark.parametrize("wait", ["86400", "9" * 400, "Fri, 31 Dec 2999 23:59:59 GMT"])
    def test_an_endless_wait_is_refused(self, registry: FakeRegistry, client: Make, wait: str) -> None:
        slept: list[float] = []
        body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"rate limit"}]}'
        registry.answers["/v2/app/manifests/1"] = Answer(429, (("Retry-After", wait),), body)
        with pytest.raises(RegistryUnavailable, match="too many requests: rate limit"):
            client(slept).resolve(ref(registry), HOST)
        assert slept == []

    @pytest.mark.parametrize("wait", ["", "soon", "-3", "1e9"])
    def test_5xx_is_tried_again_with_growing_pauses(
        self, registry: FakeRegistry, client: Make, wait: str
    ) -> None:
        slept: list[float] = []
        registry.add_image("app", "1", [LAYER])
        self.flaky(registry, 3, Answer(503, (("Retry-After", wait),) if wait else ()))
        client(slept).resolve(ref(registry), HOST)
        assert slept == sorted(slept)
        assert len(slept) >= 2

    def test_5xx_for_ever_is_an_error(self, registry: FakeRegistry, client: Make) -> None:
        registry.answers["/v2/app/manifests/1"] = Answer(500)
        with pytest.raises(RegistryUnavailable, match="it answers 500"):
            client().resolve(ref(registry), HOST)
        assert len(registry.seen) < 10

    def test_nobody_there(self, registry: FakeRegistry, client: Make) -> None:
        reference = ref(registry)
        registry.stop()
        with pytest.raises(Unavailable) as caught:
            client().resolve(reference, HOST)
        assert f"can't reach registry {registry.netloc}: connection refused" in caught.value.message

    def test_a_name_that_does_not_resolve(self, client: Make) -> None:
        with pytest.raises(Unavailable) as caught:
            client().resolve(Reference.parse("nowhere.invalid/app:1"), HOST)
        assert "can't be resolved" in caught.value.message
        assert caught.value.hint


class TestMirrors:
    def test_a_mirror_is_asked_first(self, registry: FakeRegistry, other: FakeRegistry, client: Make) -> None:
        manifest, _ = registry.add_image("library/app", "1", [LAYER])
        made = client(mirrors=(("docker.io", registry.netloc),))
        resolved = made.resolve(Reference.parse("app:1"), HOST)
        assert resolved.manifest == manifest
        with made.open_blob(resolved.reference, manifest.layers[0]) as stream:
            assert gzip.decompress(stream.read()) == LAYER

    @pytest.mark.parametrize("status", [404, 403, 500])
    def test_a_mirror_without_it_is_passed_over(
        self, registry: FakeRegistry, other: FakeRegistry, client: Make, status: int
    ) -> None:
        other.answers["/v2/app/manifests/1"] = Answer(status)
        manifest, _ = registry.add_image("app", "1", [LAYER])
        made = client(mirrors=((registry.netloc, other.netloc),))
        assert made.resolve(ref(registry), HOST).manifest == manifest
        assert "/v2/app/manifests/1" in other.paths()

    def test_a_mirror_that_lies_is_passed_over(
        self, registry: FakeRegistry, other: FakeRegistry, client: Make
    ) -> None:
        manifest, _ = registry.add_image("app", "1", [LAYER])
        other.add_image("app", str(manifest.digest), [LAYER + b"!"])
        made = client(mirrors=((registry.netloc, other.netloc),))
        assert made.resolve(ref(registry, f"app@{manifest.digest}"), HOST).manifest == manifest

    def test_when_all_fail_the_error_tells_of_each(
        self, registry: FakeRegistry, other: FakeRegistry, client: Make
    ) -> None:
        made = client(mirrors=((registry.netloc, other.netloc),))
        with pytest.raises(ManifestUnknown) as caught:
            made.resolve(ref(registry), HOST)
        assert f"mirror {other.netloc}: manifest for" in caught.value.hint

    def test_a_blocked_registry_is_not_contacted(
        self, registry: FakeRegistry, client: Make, tmp_path: Any
    ) -> None:
        conf = tmp_path / "registries.conf"
        conf.write_text(f'[[registry]]\nlocation = "{registry.netloc}"\nblocked = true\n')
        with pytest.raises(Denied, match="blocked"):
            client(registries_file=str(conf)).resolve(ref(registry), HOST)
        assert registry.seen == []
