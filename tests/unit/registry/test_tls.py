"""TLS: what is not trusted is refused, and nothing falls back to plain text. Threat 13."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.registry.fake_registry import Answer, FakeRegistry, fake_registry, self_signed, write_auth

from cowl.errors import CowlError
from cowl.http.origin import ForbiddenTarget
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.registry.client import Client
from cowl.registry.failures import RegistryUnavailable, UntrustedRegistry

HOST = Platform.host()
Make = Callable[..., Client]
NAME = "registry.test"

pytestmark = [
    pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate"),
    pytest.mark.usefixtures("names"),
]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    return self_signed(tmp_path, NAME)


@pytest.fixture
def secure(certificate: tuple[ssl.SSLContext, str]) -> Iterator[FakeRegistry]:
    with fake_registry(certificate[0]) as running:
        running.add_image("app", "1", [b"layer"])
        yield running


def ref(registry: FakeRegistry, name: str = NAME) -> Reference:
    return Reference.parse(f"{name}:{registry.port}/app:1")


def test_a_trusted_registry(
    secure: FakeRegistry, certificate: tuple[ssl.SSLContext, str], client: Make
) -> None:
    made = client(tls=ssl.create_default_context(cafile=certificate[1]))
    resolved = made.resolve(ref(secure), HOST)
    with made.open_blob(resolved.reference, resolved.manifest.layers[0]) as stream:
        assert gzip.decompress(stream.read()) == b"layer"


def test_a_self_signed_certificate_is_refused(secure: FakeRegistry, client: Make, tmp_path: Path) -> None:
    auth_file = write_auth(tmp_path / "c.json", f"{NAME}:{secure.port}")
    with pytest.raises(UntrustedRegistry) as caught:
        client(auth_file=auth_file).resolve(ref(secure), HOST)
    assert "self-signed" in caught.value.message
    assert "insecure" in caught.value.hint
    assert secure.seen == []


def test_a_certificate_for_another_name_is_refused(
    secure: FakeRegistry, certificate: tuple[ssl.SSLContext, str], client: Make
) -> None:
    made = client(tls=ssl.create_default_context(cafile=certificate[1]))
    with pytest.raises(UntrustedRegistry, match=r"(?i)hostname mismatch"):
        made.resolve(ref(secure, "impostor.test"), HOST)
    assert secure.seen == []


def test_a_plain_registry_elsewhere_is_never_spoken_to(registry: FakeRegistry, client: Make) -> None:
    registry.add_image("app", "1", [b"layer"])
    with pytest.raises(CowlError) as caught:
        client().resolve(ref(registry), HOST)
    assert isinstance(caught.value, UntrustedRegistry | RegistryUnavailable)
    assert registry.seen == []


def test_a_plain_registry_elsewhere_may_be_allowed(registry: FakeRegistry, client: Make) -> None:
    manifest, _ = registry.add_image("app", "1", [b"layer"])
    for insecure in (NAME, f"{NAME}:{registry.port}"):
        assert client(insecure=(insecure,)).resolve(ref(registry), HOST).manifest == manifest


def test_loopback_is_allowed_both_as_docker_does(
    registry: FakeRegistry, secure: FakeRegistry, client: Make
) -> None:
    registry.add_image("app", "1", [b"layer"])
    for running in (registry, secure):
        for name in ("127.0.0.1", "localhost"):
            client().resolve(ref(running, name), HOST)


def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port that takes connections, keeps what comes first, and hangs up."""
    got: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                got.append(connection.recv(3))

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1], got
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.fixture
def hangs_up() -> Iterator[tuple[int, list[bytes]]]:
    yield from listener()


def test_a_broken_handshake_is_not_followed_by_plain_text(
    hangs_up: tuple[int, list[bytes]], client: Make
) -> None:
    port, got = hangs_up
    with pytest.raises(CowlError):
        client().resolve(Reference.parse(f"{NAME}:{port}/app:1"), HOST)
    assert got
    assert all(first.startswith(b"\x16") for first in got), "something other than TLS was sent"


def test_a_redirect_from_tls_to_plain_text_is_refused(
    secure: FakeRegistry, registry: FakeRegistry, certificate: tuple[ssl.SSLContext, str], client: Make
) -> None:
    made = client(tls=ssl.create_default_context(cafile=certificate[1]))
    for target in (f"http://{NAME}:{registry.port}/x", f"{registry.url}/x"):
        secure.answers["/v2/app/manifests/1"] = Answer(307, (("Location", target),))
        with pytest.raises(ForbiddenTarget, match="plain text"):
            made.resolve(ref(secure), HOST)
    assert registry.seen == []


def test_a_redirect_to_this_machines_own_addresses_is_refused(
    secure: FakeRegistry, registry: FakeRegistry, certificate: tuple[ssl.SSLContext, str], client: Make
) -> None:
    made = client(tls=ssl.create_default_context(cafile=certificate[1]))
    for host in ("127.0.0.1", "localhost", "127.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"):
        target = f"https://{host}:{registry.port}/x"
        secure.answers["/v2/app/manifests/1"] = Answer(307, (("Location", target),))
        with pytest.raises(ForbiddenTarget, match="this machine"):
            made.resolve(ref(secure), HOST)
    assert registry.seen == []


def test_a_realm_in_plain_text_is_refused(
    secure: FakeRegistry, registry: FakeRegistry, certificate: tuple[ssl.SSLContext, str], client: Make
) -> None:
    made = client(tls=ssl.create_default_context(cafile=certificate[1]))
    value = f'Bearer realm="http://{NAME}:{registry.port}/token"'
    secure.answers["/v2/app/manifests/1"] = Answer(401, (("WWW-Authenticate", value),))
    with pytest.raises(ForbiddenTarget, match="plain text"):
        made.resolve(ref(secure), HOST)
    assert registry.seen == []
