"""A registry that answers exactly what a test tells it to, on loopback, and remembers what it was asked."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import DiffId, Digest
from cowl.oci.image_config import ImageConfig
from cowl.oci.manifest import Index, Manifest
from cowl.oci.platform import Platform
from cowl.value import Value

SECRET = base64.b64encode(b"alice:canary-secret").decode()


class Seen(Value):
    """A request as it came. Header names are lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""


class Answer(Value):
    """What to send. A body longer than Content-Length says, or shorter, is sent as it is."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    chunks: Callable[[], Iterable[bytes]] | None = None
    length: int | None = -1  # of Content-Length: -1 is the body's own, None is not sent


class FakeRegistry:
    """Answers by path; anything else is 404."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.answers: dict[str, Answer | Callable[[Seen], Answer]] = {}
        self._tls = tls
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.netloc}"

    @property
    def serves_tls(self) -> bool:
        return self._tls is not None

    def stop(self) -> None:
        """Idempotent."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    def secrets_seen(self) -> list[str]:
        """Whatever came with an Authorization header, or held the canary anywhere."""
        return [
            seen.path
            for seen in self.seen
            if "authorization" in seen.headers or "canary" in f"{seen.query}{seen.headers}{seen.body!r}"
        ]

    def add_blob(self, repository: str, data: bytes) -> Digest:
        digest = Digest.of(data)
        self.answers[f"/v2/{repository}/blobs/{digest}"] = Answer(body=data)
        return digest

    def add_manifest(self, repository: str, target: str, document: Manifest | Index) -> Digest:
        answer = Answer(headers=(("Content-Type", document.media_type),), body=document.raw)
        self.answers[f"/v2/{repository}/manifests/{target}"] = answer
        self.answers[f"/v2/{repository}/manifests/{document.digest}"] = answer
        return document.digest

    def add_image(
        self, repository: str, tag: str, layers: list[bytes], **config: Any
    ) -> tuple[Manifest, ImageConfig]:
        """An image of the uncompressed layer tars `layers`, as gzip."""
        image = image_of(layers, **config)
        packed = [gzip.compress(layer, 1, mtime=0) for layer in layers]
        raw = image.serialize()
        manifest = Manifest.make(
            Descriptor(media_types.OCI_CONFIG, self.add_blob(repository, raw), len(raw)),
            [
                Descriptor(media_types.OCI_LAYER_GZIP, self.add_blob(repository, data), len(data))
                for data in packed
            ],
        )
        self.add_manifest(repository, tag, manifest)
        return manifest, image


def image_of(layers: list[bytes], **config: Any) -> ImageConfig:
    """An image config over uncompressed layer tars."""
    host = Platform.host()
    members = {"architecture": host.architecture, "os": host.os, "variant": host.variant, **config}
    return ImageConfig(**{"diff_ids": tuple(DiffId.of(layer) for layer in layers), **members})


def entry_for(document: Manifest | Index, platform: str = "") -> Descriptor:
    """The descriptor of a manifest or index, for use in an index."""
    return Descriptor(
        document.media_type,
        document.digest,
        len(document.raw),
        Platform.parse(platform) if platform else None,
    )


def write_auth(path: Path, *netlocs: str) -> str:
    """A config.json that holds the canary credentials for each host[:port]."""
    path.write_text(json.dumps({"auths": {netloc: {"auth": SECRET} for netloc in netlocs}}))
    return str(path)


@contextmanager
def fake_registry(tls: ssl.SSLContext | None = None) -> Iterator[FakeRegistry]:
    registry = FakeRegistry(tls)
    try:
        yield registry
    finally:
        registry.stop()


def self_signed(directory: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context for `name`, and the path of its certificate."""
    key, certificate = directory / f"{name}.key", directory / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, str(certificate)


def _handler(registry: FakeRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            try:
                if not registry.serves_tls and self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
                    return  # a TLS hello: plain HTTP servers hang up
                super().handle()
            except (OSError, ssl.SSLError):
                return

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def do_PATCH(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, parts.path, parts.query, headers, body)
            registry.seen.append(seen)
            found = registry.answers.get(parts.path, Answer(404))
            self._send(found(seen) if callable(found) else found)

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            length = len(answer.body) if answer.length == -1 else answer.length
            exact = length == len(answer.body) and answer.chunks is None
            if length is not None:
                self.send_header("Content-Length", str(length))
            if not exact:
                self.send_header("Connection", "close")
                self.close_connection = True
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            for chunk in answer.chunks() if answer.chunks else [answer.body]:
                self.wfile.write(chunk)

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler
