"""The writes of one repository: blobs in one piece, in chunks or mounted from a neighbour, and manifests.

OCI distribution-spec 1.1, "Pushing blobs" and "Pushing manifests". The place of an upload is told by the
registry: nobody but the registry's own origin is shown its credentials there (docs/decisions/0007).
"""

from __future__ import annotations

from urllib.parse import urlencode, urljoin

from cowl.errors import Corrupt, Denied
from cowl.http.origin import InvalidUrl, Origin, check_target
from cowl.http.transport import Reply, Request
from cowl.registry.failures import RegistryUnavailable
from cowl.registry.repository import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from cowl.oci.digest import Digest
    from cowl.oci.manifest import Manifest

CHUNK_BYTES = 64 << 20  # what goes in one request: a break costs no more
ATTEMPTS = 3  # of a whole upload
RESUMES = 5
_BINARY = ("Content-Type", "application/octet-stream")


class PushDenied(Denied):
    """The registry lets us not write to the repository."""

    def __init__(self, repository: str, why: str) -> None:
        super().__init__(f"push access denied for {repository}: {why}", hint="it may require 'cowl login'")


class OtherContent(Corrupt):
    """The registry took something else than what was sent. Fields: expected, actual."""

    def __init__(self, netloc: str, expected: Digest, actual: str) -> None:
        super().__init__(f"registry {netloc} stored {actual[:100]} where {expected} was sent")
        self.expected = expected
        self.actual = actual


class PushRepository(Repository):
    """One repository at its registry, to write to."""

    actions = "pull,push"

    def has_blob(self, digest: Digest) -> bool:
        """Whether the repository has the blob. Raises PushDenied and transport errors."""
        reply = self._get(f"blobs/{digest}", (), "HEAD")
        reply.close()
        if reply.status != 404 and reply.origin != self._origin:
            return True  # it pointed to where the blob is; that place may refuse a HEAD
        return reply.status != 404 and bool(self._expect(reply, 200))

    def mount(self, digest: Digest, source: str) -> bool:
        """Makes a blob of the repository path `source` ours, if the registry has it there and lets us."""
        fields = urlencode({"mount": str(digest), "from": source})
        reply = self._write("POST", f"{self._base()}/blobs/uploads/?{fields}")
        reply.close()
        return reply.status == 201

    def put_blob(self, digest: Digest, size: int, open_blob: Callable[[], BinaryIO]) -> None:
        """Uploads a blob of `size` bytes; `open_blob` gives a seekable stream of it, each time anew.

        Idempotent. Raises PushDenied, OtherContent, ForbiddenTarget, RegistryUnavailable.
        """
        for attempt in range(ATTEMPTS):
            try:
                self._upload(digest, size, open_blob)
                return
            except RegistryUnavailable:
                if attempt == ATTEMPTS - 1:
                    raise

    def put_manifest(self, manifest: Manifest, target: str) -> None:
        """Stores a manifest under a tag, or its digest. Raises PushDenied, OtherContent and such."""
        headers = (("Content-Type", manifest.media_type),)
        reply = self._write("PUT", f"{self._base()}/manifests/{target}", headers, manifest.raw)
        self._stored(reply, manifest.digest)

    def _upload(self, digest: Digest, size: int, open_blob: Callable[[], BinaryIO]) -> None:
        reply = self._expect(self._write("POST", f"{self._base()}/blobs/uploads/"), 202)
        reply.close()
        url = self._next(f"{self._base()}/blobs/uploads/", reply)
        chunk = max(CHUNK_BYTES, _minimum(reply))
        if size <= chunk:
            self._stored(self._put(url, digest, size, open_blob), digest)
            return
        url = self._chunks(url, size, chunk, open_blob)
        self._stored(self._put(url, digest, 0, None), digest)

    def _put(self, url: str, digest: Digest, size: int, open_blob: Callable[[], BinaryIO] | None) -> Reply:
        whole = f"{url}{'&' if '?' in url else '?'}{urlencode({'digest': str(digest)})}"
        headers = (_BINARY, ("Content-Length", str(size)))
        return self._write("PUT", whole, headers, open_blob if size else b"")

    def _chunks(self, url: str, size: int, chunk: int, open_blob: Callable[[], BinaryIO]) -> str:
        """Sends all bytes piece by piece; where one breaks, from where the registry says it is."""
        done, breaks = 0, 0
        while done < size:
            count = min(chunk, size - done)
            headers = (
                _BINARY,
                ("Content-Length", str(count)),
                ("Content-Range", f"{done}-{done + count - 1}"),
            )
            try:
                reply = self._write("PATCH", url, headers, _window(open_blob, done, count))
                self._expect(reply, 202).close()
                done += count
            except RegistryUnavailable:
                breaks += 1
                if breaks > RESUMES:
                    raise
                reply = self._expect(self._write("GET", url), 204)
                reply.close()
                done = self._received(reply, size)
            url = self._next(url, reply)
        return url

    def _received(self, reply: Reply, size: int) -> int:
        """How many bytes the registry has, by its Range header."""
        first, _, last = reply.header("Range").removeprefix("bytes=").partition("-")
        if first != "0" or not last.isdecimal() or int(last[:19]) >= size:
            raise RegistryUnavailable(reply.origin.netloc, "it does not know how much of an upload it has")
        return int(last) + 1 if int(last) else 0

    def _stored(self, reply: Reply, digest: Digest) -> None:
        self._expect(reply, 201).close()
        announced = reply.header("Docker-Content-Digest")
        if announced and announced != digest:
            raise OtherContent(reply.origin.netloc, digest, announced)

    def _next(self, url: str, reply: Reply) -> str:
        """Where the upload goes on. Raises RegistryUnavailable, InvalidUrl, ForbiddenTarget."""
        location = reply.header("Location")
        if not location:
            raise RegistryUnavailable(reply.origin.netloc, "it does not say where an upload goes")
        try:
            joined = urljoin(url, location)
        except ValueError as problem:  # half an IPv6 address
            raise InvalidUrl(location) from problem
        check_target(self._home(), Origin.of(joined))
        return joined

    def _base(self) -> str:
        return f"{self._home()}/v2/{self.place.path}"

    def _home(self) -> Origin:
        """The registry's origin, found out by a first request."""
        if self._origin is None:
            self._get("tags/list?n=1", ()).close()
        assert self._origin is not None
        return self._origin

    def _write(
        self,
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | Callable[[], BinaryIO] | None = None,
    ) -> Reply:
        """One exchange; no redirect is followed, and what has a stream for a body is tried once."""
        origin = Origin.of(url)
        home = self._home()
        verify = self.place.verify or origin != home
        request = Request(url, headers, method, body, verify)
        if callable(body):
            request = request.replace(attempts=1)

        def exchange(authorization: str) -> Reply:
            extra = (("Authorization", authorization),) if authorization else ()
            response = self._transport.send(request.replace(headers=(*headers, *extra)))
            return Reply(response, origin, RegistryUnavailable)

        return self._answering(origin, exchange) if origin == home else exchange("")

    def _denied(self, why: str) -> Denied:
        return PushDenied(self.name, why)


class _Window:
    """`count` bytes of a stream, from `start` on."""

    def __init__(self, stream: BinaryIO, start: int, count: int) -> None:
        stream.seek(start)
        self._stream = stream
        self._left = count

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def _window(open_blob: Callable[[], BinaryIO], start: int, count: int) -> Callable[[], BinaryIO]:
    return lambda: _Window(open_blob(), start, count)  # type: ignore[return-value]


def _minimum(reply: Reply) -> int:
    """The smallest chunk that the registry takes."""
    said = reply.header("OCI-Chunk-Min-Length")
    return int(said[:12]) if said.isdecimal() else 0
