"""A download: the bytes of an http or https URL in a file, bounded in size and time, hashed on the way.

No credentials are sent: not from the URL, not from the environment, not along a redirect. Where a
redirect may lead is `cowl.http.origin`'s to say.
"""

from __future__ import annotations

import os
from hashlib import sha256

from urllib3.exceptions import HTTPError

from cowl.build.remote.url import CredentialsInUrl, has_user, shown
from cowl.errors import Denied, Unavailable
from cowl.http.origin import InvalidUrl, Origin
from cowl.http.transport import HostUnavailable, Request, UntrustedCertificate, reason
from cowl.oci.digest import Digest
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.http.transport import Reply, Transport
    from cowl.layer.streams import Readable

MAX_BYTES = 64 << 30
MAX_SECONDS = 6 * 3600.0
_ATTEMPTS = 3  # to get a whole body
_CHUNK = 1 << 20


class DownloadFailed(Unavailable):
    """A URL gives nothing. Fields: url (without query), why, status (0: there was no answer)."""

    def __init__(self, url: str, why: str, *, status: int = 0, hint: str = "") -> None:
        self.url = shown(url)
        super().__init__(f"can't download {self.url}: {why}", hint=hint)
        self.why = why
        self.status = status


class DownloadRefused(Denied):
    """A URL leads where it may not, or can't prove who it is. Fields: url (without query), why."""

    def __init__(self, url: str, why: str, *, hint: str = "") -> None:
        self.url = shown(url)
        super().__init__(f"can't download {self.url}: {why}", hint=hint)
        self.why = why


class Downloaded(Value):
    """A whole body in the file `path`.

    mtime_ns  what Last-Modified says, 0 without it
    etag      what the server calls it, "" for nothing
    """

    path: str
    digest: Digest
    size_bytes: int
    mtime_ns: int
    etag: str


def check_url(url: str) -> None:
    """Raises CredentialsInUrl, InvalidUrl."""
    if has_user(url):
        raise CredentialsInUrl(url)
    Origin.of(url)


def download(
    transport: Transport, url: str, path: str, *, etag: str = "", clock: Callable[[], float]
) -> Downloaded | None:
    """Gets `url` into the new file `path`; None when the server says that it is still what it calls `etag`.

    Raises DownloadFailed, DownloadRefused, CredentialsInUrl, InvalidUrl, OSError.
    """
    check_url(url)
    deadline = clock() + MAX_SECONDS
    for attempt in range(_ATTEMPTS):
        reply = _ask(transport, url, etag)
        try:
            if etag and _unchanged(reply, etag):
                return None
            if reply.status != 200:
                raise _bad_status(url, reply.status)
            return _Body(url, reply, clock, deadline).save(path)
        except HTTPError as problem:
            if attempt == _ATTEMPTS - 1:
                raise DownloadFailed(url, f"it breaks off: {reason(problem)}") from problem
        finally:
            reply.close()
    raise AssertionError("unreachable: the last attempt returns or raises")


def _ask(transport: Transport, url: str, etag: str) -> Reply:
    headers = (("If-None-Match", etag),) if etag else ()
    try:
        return transport.follow(Request(url=url, headers=headers))
    except HostUnavailable as problem:
        raise DownloadFailed(url, f"{problem.netloc}: {problem.why}", hint=problem.hint) from problem
    except UntrustedCertificate as problem:
        why = f"{problem.netloc}: TLS failed: {problem.why}"
        raise DownloadRefused(url, why, hint=problem.hint) from problem
    except InvalidUrl as problem:
        raise DownloadRefused(url, "it redirects to what is no http or https URL") from problem
    except Denied as problem:
        raise DownloadRefused(url, problem.message) from problem


def _unchanged(reply: Reply, etag: str) -> bool:
    """Whether the answer is about what we have: 304, or an answer to be given up before its body is read."""
    if reply.status == 304:
        return True
    return reply.status == 200 and reply.header("ETag").removeprefix("W/") == etag.removeprefix("W/")


def _bad_status(url: str, status: int) -> DownloadFailed:
    hint = ""
    if status in (401, 403, 407):
        hint = "ADD can't log in: fetch it in a RUN with --mount=type=secret"
    if status == 404:
        hint = "check the path; it may have moved"
    return DownloadFailed(url, f"the server answers {status}", status=status, hint=hint)


class _Body:
    """The body of an answer on its way into a file."""

    def __init__(self, url: str, reply: Reply, clock: Callable[[], float], deadline: float) -> None:
        self._url = url
        self._reply = reply
        self._clock = clock
        self._deadline = deadline

    def save(self, path: str) -> Downloaded:
        digest, size = sha256(), 0
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            stream = self._stream()
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise DownloadFailed(self._url, f"it has more than {MAX_BYTES} bytes")
                digest.update(chunk)
                rest = memoryview(chunk)
                while rest:
                    rest = rest[os.write(fd, rest) :]
        finally:
            os.close(fd)
        header = self._reply.header
        found = Digest.of_hash(digest.hexdigest())
        return Downloaded(path, found, size, _time_ns(header("Last-Modified")), header("ETag"))

    def _stream(self) -> Readable:
        """The bytes that were meant: BuildKit undoes gzip as an encoding of the answer, asked for or not."""
        if self._reply.header("Content-Encoding").strip().lower() != "gzip":
            return self
        from cowl.layer.compression import BadCompression, open_decompressed

        outer = open_decompressed(self)
        url = self._url

        class Decoded:
            def read(self, size: int = -1, /) -> bytes:
                try:
                    return outer.read(size)
                except BadCompression as problem:
                    raise DownloadFailed(url, f"its gzip encoding is damaged: {problem.why}") from problem

        return Decoded()

    def read(self, size: int = -1, /) -> bytes:
        """Raw bytes of the body, as they come in."""
        if self._clock() > self._deadline:
            raise DownloadFailed(self._url, f"it takes longer than {MAX_SECONDS:.0f} seconds")
        return self._reply.response.read1(size if size >= 0 else _CHUNK) or b""


def _time_ns(text: str) -> int:
    """An HTTP date in nanoseconds since the epoch; 0 for none, or for what is none."""
    from email.utils import parsedate_to_datetime

    try:
        return max(0, int(parsedate_to_datetime(text).timestamp())) * 1_000_000_000
    except (TypeError, ValueError, OverflowError):
        return 0
