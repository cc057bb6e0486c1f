"""Verified streams: every byte of a blob is counted and hashed before the last one is believed."""

from __future__ import annotations

import io
from hashlib import sha256

from urllib3.exceptions import HTTPError

from cowl.errors import Corrupt
from cowl.http.transport import reason
from cowl.registry.failures import RegistryUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.http.transport import Reply
    from cowl.oci.descriptor import Descriptor
    from cowl.oci.digest import Digest

MAX_RESUMES = 4
_SKIP_BYTES = 1 << 20


class DigestMismatch(Corrupt):
    """Bytes are not what their digest says. Fields: what, expected, actual."""

    def __init__(self, what: str, expected: Digest, actual: str) -> None:
        super().__init__(
            f"{what}: digest mismatch: expected {expected}, got {actual}",
            hint="the registry or something on the way changed it; nothing of it was kept",
        )
        self.what = what
        self.expected = expected
        self.actual = actual


class SizeMismatch(Corrupt):
    """Content is longer or shorter than its descriptor says. Fields: what, expected, actual (at least)."""

    def __init__(self, what: str, expected: int, actual: int) -> None:
        super().__init__(f"{what}: its descriptor says {expected} bytes, the registry sends {actual}")
        self.what = what
        self.expected = expected
        self.actual = actual


class BlobStream(io.BufferedIOBase):
    """The bytes of a blob as a file. The read that gives the end has verified size and digest.

    `open_at(offset)` starts a download; it is called again, a few times at most, when a connection
    breaks on the way. read raises SizeMismatch, DigestMismatch, RegistryUnavailable. Nothing that
    was read may be trusted before `read` has returned b"".
    """

    def __init__(self, descriptor: Descriptor, open_at: Callable[[int], Reply]) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.done = 0
        self._open_at = open_at
        self._hash = sha256()
        self._verified = False
        self._resumes = 0
        self._reply = self._start()

    @property
    def what(self) -> str:
        """How errors name the blob."""
        return f"blob {self.descriptor.digest}"

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes, at least one before the end; all of them for None or -1."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if size == 0 or self._verified:
            return b""
        chunk = self._receive(size)
        self._hash.update(chunk)
        self.done += len(chunk)
        if self.done > self.descriptor.size:
            raise SizeMismatch(self.what, self.descriptor.size, self.done)
        if not chunk:
            self._finish()
        return chunk

    def read1(self, size: int = -1, /) -> bytes:
        """The same as `read` of at most 64 KiB."""
        return self.read(size if 0 <= size < 1 << 16 else 1 << 16)

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Read into `buffer`; 0 is the end."""
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        """Give the connection up. Closing early is no error, but nothing was verified then."""
        if not self.closed:
            self._reply.close()
        super().close()

    def abort(self) -> None:
        """Make a read that waits in another thread fail soon."""
        shutdown = getattr(self._reply.response, "shutdown", None)  # urllib3 2.3
        self._resumes = MAX_RESUMES
        if shutdown:
            try:
                shutdown()
            except (ValueError, RuntimeError, OSError, HTTPError):
                pass

    def _receive(self, size: int) -> bytes:
        while True:
            try:
                chunk: bytes = self._reply.response.read(size)
            except HTTPError as problem:
                self._resume(reason(problem), problem)
                continue
            if not chunk and self.done < self.descriptor.size:
                self._resume("the connection ended early", None)
                continue
            return chunk

    def _resume(self, why: str, cause: Exception | None) -> None:
        self._reply.close()
        self._resumes += 1
        if self._resumes > MAX_RESUMES:
            raise RegistryUnavailable(
                self._reply.origin.netloc,
                f"{self.what} breaks off after {self.done} of {self.descriptor.size} bytes: {why}",
            ) from cause
        self._reply = self._start()

    def _start(self) -> Reply:
        reply = self._open_at(self.done)
        whole = self.descriptor.size
        length = reply.header("Content-Length")
        if reply.status == 206 and self.done:
            if not reply.header("Content-Range").startswith(f"bytes {self.done}-"):
                reply.close()
                raise RegistryUnavailable(reply.origin.netloc, "it answers with another range than asked for")
            return reply
        if length.isdecimal() and int(length[:19]) != whole:
            reply.close()
            raise SizeMismatch(self.what, whole, int(length[:19]))
        self._skip(reply)
        return reply

    def _skip(self, reply: Reply) -> None:
        """Pass over what was read before, when the registry sends the blob from its start again."""
        left = self.done
        try:
            while left and (chunk := reply.response.read(min(left, _SKIP_BYTES))):
                left -= len(chunk)
        except HTTPError as problem:
            reply.close()
            raise RegistryUnavailable(reply.origin.netloc, reason(problem)) from problem

    def _finish(self) -> None:
        """The body has ended, at the size that it should have."""
        actual = f"sha256:{self._hash.hexdigest()}"
        if actual != self.descriptor.digest:
            raise DigestMismatch(self.what, self.descriptor.digest, actual)
        self._verified = True
        self._reply.close()
