"""Uploads against a registry that answers what it likes: credentials stay home, bytes arrive whole."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from tests.unit.registry.fake_registry import Answer, FakeRegistry, Seen, write_auth

from cowl.errors import CowlError
from cowl.http.origin import ForbiddenTarget
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import Digest
from cowl.oci.manifest import Manifest
from cowl.oci.reference import Reference
from cowl.registry import upload
from cowl.registry.client import Client
from cowl.registry.failures import RegistryUnavailable
from cowl.registry.upload import OtherContent, PushDenied, PushRepository

UPLOADS = "/v2/app/blobs/uploads/"
DATA = bytes(range(256)) * 40


@pytest.fixture
def pushing(registry: FakeRegistry, client: Callable[..., Client]) -> Callable[..., PushRepository]:
    def make(**config: str) -> PushRepository:
        return client(**config).to_push(Reference.parse(f"{registry.netloc}/app:1"))

    registry.answers["/v2/app/tags/list"] = Answer(404)
    return make


class Uploading:
    """An upload session of a registry that behaves, but for what a test makes of it."""

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry
        self.data = b""
        self.requests: list[str] = []
        self.break_at = -1
        registry.answers[UPLOADS] = self._begin
        registry.answers["/v2/app/session"] = self._session

    def _begin(self, seen: Seen) -> Answer:
        self.data = b""
        self.requests.append("POST")
        return Answer(202, (("Location", "/v2/app/session?state=a"),))

    def _session(self, seen: Seen) -> Answer:
        self.requests.append(seen.method)
        where = (("Location", "/v2/app/session?state=b"), ("Range", f"0-{max(0, len(self.data) - 1)}"))
        if seen.method == "GET":
            return Answer(204, where)
        if seen.method == "PATCH":
            first = int(seen.headers["content-range"].partition("-")[0])
            if first != len(self.data):
                return Answer(416, where)
            if len(self.requests) == self.break_at:
                self.data += seen.body[:10]
                return Answer(500)
        self.data += seen.body
        if seen.method == "PATCH":
            return Answer(202, where)
        assert parse_qs(seen.query)["digest"] == [Digest.of(self.data)]
        return Answer(201, (("Docker-Content-Digest", Digest.of(self.data)),))


def put(repository: PushRepository, data: bytes = DATA) -> None:
    repository.put_blob(Digest.of(data), len(data), lambda: io.BytesIO(data))


def test_in_one_piece(registry: FakeRegistry, pushing: Callable[..., PushRepository]) -> None:
    session = Uploading(registry)
    put(pushing())
    assert session.requests == ["POST", "PUT"]
    assert session.data == DATA
    put(pushing(), b"")
    assert session.data == b""


def test_in_chunks(
    registry: FakeRegistry, pushing: Callable[..., PushRepository], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "CHUNK_BYTES", 4000)
    session = Uploading(registry)
    put(pushing())
    assert session.requests == ["POST", "PATCH", "PATCH", "PATCH", "PUT"]
    assert session.data == DATA


def test_a_chunk_that_breaks_is_taken_up_where_the_registry_is(
    registry: FakeRegistry, pushing: Callable[..., PushRepository], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "CHUNK_BYTES", 4000)
    session = Uploading(registry)
    session.break_at = 3
    put(pushing())
    assert session.data == DATA
    assert session.requests == ["POST", "PATCH", "PATCH", "GET", "PATCH", "PATCH", "PUT"]


def test_a_registry_that_only_fails_is_given_up(
    registry: FakeRegistry, pushing: Callable[..., PushRepository]
) -> None:
    session = Uploading(registry)
    registry.answers["/v2/app/session"] = Answer(500)
    with pytest.raises(RegistryUnavailable, match="500"):
        put(pushing())
    assert session.requests == ["POST"] * upload.ATTEMPTS


def test_another_host_gets_the_bytes_and_no_credentials(
    registry: FakeRegistry, other: FakeRegistry, client: Callable[..., Client], tmp_path: Path
) -> None:
    """A Location elsewhere, as cloud storage has it."""
    auth = write_auth(tmp_path / "config.json", registry.netloc)
    repository = client(auth_file=auth).to_push(Reference.parse(f"{registry.netloc}/app:1"))

    def challenge(seen: Seen) -> Answer:
        if "authorization" not in seen.headers:
            return Answer(401, (("WWW-Authenticate", "Basic realm=x"),))
        return Answer(202, (("Location", f"{other.url}/bucket?x=1"),))

    registry.answers["/v2/app/tags/list"] = Answer(404)
    registry.answers[UPLOADS] = challenge
    other.answers["/bucket"] = Answer(201)
    put(repository)
    assert other.seen[-1].body == DATA
    assert other.secrets_seen() == []
    assert registry.secrets_seen() != []
    other.answers["/bucket"] = Answer(401, (("WWW-Authenticate", "Basic realm=x"),))
    with pytest.raises(PushDenied):
        put(repository)
    assert other.secrets_seen() == []


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("http://169.254.169.254/latest", ForbiddenTarget),
        ("http://[::ffff:169.254.169.254]/x", ForbiddenTarget),
        ("file:///etc/passwd", CowlError),
        ("http://[", CowlError),
        ("", RegistryUnavailable),
    ],
)
def test_where_an_upload_may_not_go(
    registry: FakeRegistry, pushing: Callable[..., PushRepository], location: str, kind: type[Exception]
) -> None:
    registry.answers[UPLOADS] = Answer(202, (("Location", location),) if location else ())
    with pytest.raises(kind):
        put(pushing())


def test_a_redirected_write_is_not_followed(
    registry: FakeRegistry, other: FakeRegistry, pushing: Callable[..., PushRepository]
) -> None:
    Uploading(registry)
    registry.answers["/v2/app/session"] = Answer(307, (("Location", f"{other.url}/x"),))
    with pytest.raises(RegistryUnavailable, match="307"):
        put(pushing())
    assert other.seen == []


def test_another_digest_than_was_sent(registry: FakeRegistry, pushing: Callable[..., PushRepository]) -> None:
    Uploading(registry)
    registry.answers["/v2/app/session"] = Answer(201, (("Docker-Content-Digest", "sha256:" + "0" * 64),))
    with pytest.raises(OtherContent):
        put(pushing())
    config = Descriptor(media_types.OCI_CONFIG, Digest.of(b"{}"), 2)
    manifest = Manifest.make(config, [])
    registry.answers["/v2/app/manifests/1"] = Answer(201, (("Docker-Content-Digest", "sha256:nonsense"),))
    with pytest.raises(OtherContent):
        pushing().put_manifest(manifest, "1")
    registry.answers["/v2/app/manifests/1"] = Answer(201)
    pushing().put_manifest(manifest, "1")
    assert registry.seen[-1].body == manifest.raw
    assert registry.seen[-1].headers["content-type"] == media_types.OCI_MANIFEST


def test_a_token_for_pushing(registry: FakeRegistry, client: Callable[..., Client], tmp_path: Path) -> None:
    auth = write_auth(tmp_path / "config.json", registry.netloc)
    repository = client(auth_file=auth).to_push(Reference.parse(f"{registry.netloc}/app:1"))
    session = Uploading(registry)
    begin = session._begin

    def guarded(seen: Seen) -> Answer:
        if seen.headers.get("authorization") != "Bearer good":
            return Answer(401, (("WWW-Authenticate", f'Bearer realm="{registry.url}/token"'),))
        return begin(seen)

    registry.answers["/v2/app/tags/list"] = Answer(404)
    registry.answers[UPLOADS] = guarded
    registry.answers["/token"] = Answer(body=b'{"token": "good"}')
    put(repository)
    asked = next(seen for seen in registry.seen if seen.path == "/token")
    assert parse_qs(asked.query)["scope"] == ["repository:app:pull,push"]


def test_refused_and_there_and_mounted(
    registry: FakeRegistry, pushing: Callable[..., PushRepository]
) -> None:
    digest = Digest.of(DATA)
    repository = pushing()
    assert not repository.has_blob(digest)
    registry.answers[f"/v2/app/blobs/{digest}"] = Answer(200)
    assert repository.has_blob(digest)
    registry.answers[UPLOADS] = lambda seen: Answer(201 if "from=base" in seen.query else 202)
    assert repository.mount(digest, "base")
    assert not repository.mount(digest, "other")
    body = b'{"errors":[{"code":"DENIED","message":"requested access is denied"}]}'
    registry.answers[UPLOADS] = Answer(403, body=body)
    with pytest.raises(PushDenied, match=re.escape("push access denied for ")) as caught:
        put(pushing())
    assert "requested access is denied" in caught.value.message
